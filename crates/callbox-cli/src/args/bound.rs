//! What happens once it is bound: the mode of a Unix socket, and whom callbox becomes.

/// The socket's file, and the user.
#[derive(Debug, Clone, clap::Args)]
pub struct BoundArgs {
    /// The mode of a Unix socket's file, whatever the umask: whoever may write there may connect
    #[arg(long, value_name = "MODE", value_parser = mode, default_value = "0600", help_heading = "Listening")]
    pub unix_mode: u32,
    /// Become this user once it is bound, and that group alone; only root can. Programs of --exec run as it too
    #[arg(long, value_name = "NAME[:GROUP]", help_heading = "Listening")]
    pub user: Option<String>,
}

fn mode(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = if digits { u32::from_str_radix(text, 8).ok() } else { None };
    mode.filter(|mode| *mode <= 0o777).ok_or_else(|| format!("{text:?} is no mode; write it as 0660"))
}
