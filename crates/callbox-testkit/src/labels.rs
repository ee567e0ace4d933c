//! Encodings that tests try: every shape there is.

/// Labels of encodings whose characters have one, two, three or four bytes, with and without states.
pub const ENCODINGS: [&str; 13] = [
    "utf-8",
    "gbk",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "iso-2022-jp",
    "utf-16le",
    "utf-16be",
    "windows-1252",
    "koi8-r",
    "x-user-defined",
];
