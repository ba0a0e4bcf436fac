//! Where everything is on the screen.
//!
//! ```text
//!   1 Artists 12 │ 2 Albums 31   │ 3 Songs 400          ← names
//!   All          │ All           │ 1 So What    9:22    ← panes
//!   Miles Davis  │ Kind of Blue  │ 2 Blue in …  5:37
//!   ▶ So What — Miles Davis       next: Blue in Green   ← what plays
//!   1:02 ━━━━────────── 9:22   shuffle   vol 80
//!   /so wh                                              ← message, or what is typed
//! ```

use ratatui::layout::{Rect, Size};

use super::Pane;

/// There are as many panes as have room for this many columns each.
const MIN_PANE_COLUMNS: u16 = 25;

/// Rows below the panes: two for what plays, one for messages.
const BAR_ROWS: u16 = 2;
const LINE_ROWS: u16 = 1;

/// Rows above them.
const NAME_ROWS: u16 = 1;

/// Parts of a screen.
#[derive(Debug)]
pub(super) struct Layout {
    /// The names of the panes.
    pub(super) names: Rect,
    /// All panes together.
    pub(super) body: Rect,
    /// The panes that are on the screen, from left to right. One column between two of them is free.
    pub(super) panes: Vec<(Pane, Rect)>,
    /// What plays.
    pub(super) bar: Rect,
    /// The message, or what is typed.
    pub(super) line: Rect,
}

impl Layout {
    /// The layout of a screen that shows the pane in use, and its neighbours if there is room. On a low screen the last row, the
    /// names and one row of a pane come first.
    pub(super) fn new(size: Size, focus: Pane) -> Self {
        let mut left = size.height;
        let mut take = |rows: u16| {
            let taken = rows.min(left);
            left -= taken;
            taken
        };
        let (line, names, pane, bar) = (take(LINE_ROWS), take(NAME_ROWS), take(1), take(BAR_ROWS));
        let mut top = 0;
        let mut area = |height: u16| {
            let area = Rect { x: 0, y: top, width: size.width, height };
            top += height;
            area
        };
        let (names, body, bar, line) = (area(names), area(pane + left), area(bar), area(line));
        Self { names, body, panes: side_by_side(body, focus), bar, line }
    }

    /// Rows of a pane, at least one.
    pub(super) fn height(&self) -> u32 {
        u32::from(self.body.height).max(1)
    }
}

/// Shares of the width, for each pane in use.
const SHARES: [u16; Pane::ALL.len()] = [3, 3, 4, 4];

/// Divides the area among as many panes as have room.
fn side_by_side(area: Rect, focus: Pane) -> Vec<(Pane, Rect)> {
    let count = usize::from(area.width / MIN_PANE_COLUMNS).clamp(1, Pane::ALL.len());
    let first = (focus as usize + 1).saturating_sub(count);
    let panes = &Pane::ALL[first..first + count];
    let whole: u16 = panes.iter().map(|pane| SHARES[*pane as usize]).sum();
    let mut shares = 0;
    let mut x = area.x;
    let place = |pane: &Pane| {
        shares += SHARES[*pane as usize];
        let right = area.x + (u32::from(area.width) * u32::from(shares) / u32::from(whole)) as u16;
        let divider = u16::from(shares < whole);
        let place = Rect { x, width: right - x - divider, ..area };
        x = right;
        (*pane, place)
    };
    panes.iter().map(place).collect()
}
