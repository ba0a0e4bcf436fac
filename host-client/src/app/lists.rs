//! The list, page by page.

use trill_player::{PageEnd, Refused};

use super::{App, Event};
use crate::network::Song;
use crate::remote::Reply;
use crate::shared::PAGE_SONGS;
use crate::ui::table::{Row, Table};

impl App {
    /// Shows a page. The next page is requested when this one is on the screen.
    pub(super) fn show_page(&mut self, songs: &[Song], end: PageEnd, total: u32) {
        let rows: Vec<_> = songs.iter().map(row).collect();
        let (table, header) = match self.table.take() {
            Some(table) => (table, None),
            None if rows.is_empty() && end == PageEnd::Complete => {
                self.make_room();
                self.on_answered();
                return self.console.notice("the server has no songs");
            }
            None => {
                let table = match self.console.columns() {
                    Some(columns) => Table::fitted(columns, &rows, total as usize, self.console.look().charset),
                    None => Table::Plain,
                };
                (table, table.header())
            }
        };
        let lines: Vec<_> = header.into_iter().chain(rows.iter().map(|row| table.row(row))).collect();
        let sender = self.sender.clone();
        let on_drawn = move || drop(sender.send(Event::Drawn));
        if lines.is_empty() {
            on_drawn();
        } else {
            self.console.print_then(&lines.join("\n"), on_drawn);
        }
        match end {
            PageEnd::More if self.console.is_output_gone() => self.give_up_list(),
            PageEnd::More => self.table = Some(table),
            PageEnd::Complete => drop(self.on_answered()),
        }
    }

    /// If a list breaks off, the next one gets a header and columns of its own. Returns the client that has asked, if any.
    pub(super) fn end_question(&mut self, refused: Refused) -> Option<Reply> {
        match refused {
            Refused::List => {
                self.table = None;
                self.on_answered()
            }
            Refused::Info(_) => self.on_answered(),
            _ => None,
        }
    }

    /// Lets the player request another page.
    pub(super) fn make_room(&self) {
        self.shared.with(|player, _| {
            player.set_page_songs(PAGE_SONGS);
            player.wake_network();
        });
    }

    /// Gives up the rest of the list, because standard output is closed.
    fn give_up_list(&mut self) {
        self.shared.with(|player, _| player.give_up_question());
        self.on_answered();
    }
}

fn row(song: &Song) -> Row<'_> {
    Row { number: song.id.0, title: &song.title, artist: &song.artist, album: &song.album, duration: song.duration }
}
