//! The two languages of longer texts, side by side: whoever changes one sees the other.

use clap::ValueEnum;

/// A language of longer texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// English
    En,
    /// Simplified Chinese
    Zh,
}

impl Lang {
    /// Chooses by what the environment says: the first of these variables that is set counts.
    pub(crate) fn of_environment() -> Lang {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Lang::from_locale(set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG")).as_deref())
    }

    /// Chooses by a locale such as `zh_CN.UTF-8`; English where it says nothing, or cannot show UTF-8.
    pub(crate) fn from_locale(locale: Option<&str>) -> Lang {
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let (name, rest) = locale.split_at(locale.find(['_', '-', '.', '@']).unwrap_or(locale.len()));
        let charset = rest.split_once('.').map(|(_, charset)| charset.split('@').next().unwrap_or_default());
        let shows_utf8 = charset.is_none_or(|charset| matches!(charset, "utf-8" | "utf8"));
        if name == "zh" && shows_utf8 { Lang::Zh } else { Lang::En }
    }
}

/// One text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Both {
    /// English.
    pub(crate) en: String,
    /// Simplified Chinese.
    pub(crate) zh: String,
}

impl Both {
    /// Returns the text in `lang`.
    pub(crate) fn text(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

impl From<&str> for Both {
    /// For what reads the same in both: calls, addresses, numbers.
    fn from(same: &str) -> Both {
        Both { en: same.into(), zh: same.into() }
    }
}

impl From<String> for Both {
    fn from(same: String) -> Both {
        Both { en: same.clone(), zh: same }
    }
}

/// Formats one text in both languages, English first; values are named inside the braces. Those that differ from one
/// language to the other follow as `name: value`.
macro_rules! both {
    ($en:literal, $zh:literal $(,)?) => {
        $crate::lang::Both { en: format!($en), zh: format!($zh) }
    };
    ($en:literal, $zh:literal, $($name:ident: $value:expr),+ $(,)?) => {{
        // All at once, so that a name does not hide what another value is made of.
        let ($($name,)+) = ($($crate::lang::Both::from($value),)+);
        $crate::lang::Both { en: format!($en, $($name = $name.en),+), zh: format!($zh, $($name = $name.zh),+) }
    }};
}
pub(crate) use both;

/// Returns how many columns of a terminal `text` takes: two for each Chinese character and full-width mark.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '\u{2e80}'..='\u{a4cf}' | '\u{ff00}'..='\u{ff60}') { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_chooses_chinese_only_where_it_can_be_shown() {
        for chinese in ["zh_CN.UTF-8", "zh_CN.utf8", "zh", "zh-Hans", "zh_CN", "ZH_CN.UTF-8@pinyin"] {
            assert_eq!(Lang::from_locale(Some(chinese)), Lang::Zh, "{chinese}");
        }
        for english in ["", "C", "C.UTF-8", "POSIX", "en_US.UTF-8", "zh_CN.GB18030", "zha_CN.UTF-8", "."] {
            assert_eq!(Lang::from_locale(Some(english)), Lang::En, "{english}");
        }
        assert_eq!(Lang::from_locale(None), Lang::En);
    }

    #[test]
    fn chinese_takes_two_columns_a_character() {
        assert_eq!(columns("accept：监听"), 12);
    }
}
