//! A row of text whose pieces give way to each other where it is narrow, and how it looks.

use callbox::text::safe;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// How things look. What they mean never depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// In colours, with what matters in bold.
    pub colored: bool,
    /// With blocks and lines beyond ASCII.
    pub unicode: bool,
}

impl Look {
    /// What matters most.
    pub fn strong(self) -> Style {
        self.style(Style::new().add_modifier(Modifier::BOLD))
    }

    /// What names other things.
    pub fn label(self) -> Style {
        self.style(Style::new().fg(Color::Cyan))
    }

    /// What went wrong.
    pub fn bad(self) -> Style {
        self.style(Style::new().fg(Color::Red).add_modifier(Modifier::BOLD))
    }

    /// What limits.
    pub fn warning(self) -> Style {
        self.style(Style::new().fg(Color::Yellow))
    }

    /// Bars.
    pub fn bar(self) -> Style {
        self.style(Style::new().fg(Color::Green))
    }

    fn style(self, style: Style) -> Style {
        if self.colored { style } else { Style::new() }
    }
}

/// A piece of a row: shown whole or not at all, unless it is the only one. Its value comes last.
#[derive(Debug, Clone)]
pub struct Piece {
    spans: Vec<Span<'static>>,
    /// The greater, the sooner it gives way.
    rank: u8,
}

impl Piece {
    /// Makes one of a text.
    pub fn new(rank: u8, text: &str, style: Style) -> Piece {
        Piece { spans: vec![span(text, style)], rank }
    }

    /// Makes one of a name and its value.
    pub fn named(rank: u8, name: &str, value: &str, look: Look, style: Style) -> Piece {
        Piece { spans: vec![span(name, look.label()), Span::raw(" "), span(value, style)], rank }
    }

    fn width(&self) -> usize {
        self.spans.iter().map(Span::width).sum()
    }
}

/// Returns a text that is safe to show, whoever had a say in it.
pub fn span(text: &str, style: Style) -> Span<'static> {
    Span::styled(safe(text).into_owned(), style)
}

/// Returns the pieces that fit into so many columns, in their order.
pub fn fit(mut pieces: Vec<Piece>, width: usize) -> Line<'static> {
    let gap = if width < 60 { 2 } else { 3 };
    let taken = |pieces: &[Piece]| pieces.iter().map(|piece| piece.width() + gap).sum::<usize>().saturating_sub(gap);
    while pieces.len() > 1 && taken(&pieces) > width {
        let last = pieces.iter().enumerate().max_by_key(|(at, piece)| (piece.rank, *at)).map_or(0, |(at, _)| at);
        pieces.remove(last);
    }
    if let [only] = &mut pieces[..]
        && only.width() > width
    {
        // Rather without its name than without its end.
        only.spans.drain(..only.spans.len() - 1);
    }
    let mut spans = Vec::new();
    let mut left = width;
    for (index, piece) in pieces.into_iter().enumerate() {
        if index > 0 {
            spans.push(Span::raw(" ".repeat(gap.min(left))));
            left = left.saturating_sub(gap);
        }
        for span in piece.spans {
            let text = cut(&span.content, left);
            let span = Span::styled(text, span.style);
            left -= span.width();
            spans.push(span);
        }
    }
    Line::from(spans)
}

/// Returns as much of a text as fits into so many columns; where something is missing, it ends in `~`.
pub fn cut(text: &str, width: usize) -> String {
    if Span::raw(text).width() <= width {
        return text.into();
    }
    let (mut out, mut left) = (String::new(), width.saturating_sub(1));
    for c in text.chars() {
        let wide = Span::raw(c.encode_utf8(&mut [0; 4]) as &str).width();
        if wide > left {
            break;
        }
        left -= wide;
        out.push(c);
    }
    if width > 0 {
        out.push('~');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_way_by_rank_and_the_last_one_is_cut() {
        let pieces =
            || [(0, "first"), (2, "second"), (1, "third")].map(|(rank, text)| Piece::new(rank, text, Style::new()));
        let shown = |width| fit(pieces().to_vec(), width).to_string();
        assert_eq!(shown(20), "first  second  third");
        assert_eq!(shown(19), "first  third");
        assert_eq!(shown(11), "first");
        assert_eq!(shown(4), "fir~");
        assert_eq!(shown(1), "~");
        assert_eq!(shown(0), "");
        let look = Look { colored: false, unicode: false };
        let named = |width| fit(vec![Piece::named(0, "now", "12,340/s", look, Style::new())], width).to_string();
        assert_eq!(named(12), "now 12,340/s");
        assert_eq!(named(11), "12,340/s");
    }

    #[test]
    fn wide_characters_are_cut_whole() {
        assert_eq!(cut("中文中文", 8), "中文中文");
        assert_eq!(cut("中文中文", 7), "中文中~");
        assert_eq!(cut("中文中文", 6), "中文~");
    }

    #[test]
    fn what_could_move_the_cursor_is_escaped() {
        assert_eq!(span("a\x1b[2J\u{202e}", Style::new()).content, "a\\x1b[2J\\u{202e}");
    }
}
