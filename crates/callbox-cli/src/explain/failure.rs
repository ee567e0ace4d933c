//! Why connecting or binding failed, explained for each address.

use std::net::SocketAddr;

use callbox::error::{Error, Kind};
use callbox::text::safe;

use super::holder;
use crate::lang::{Both, Lang, both};

/// Explains a failed connect, handshake or bind on the error output, a line for each address; other failures say what they are.
pub fn print(error: &Error, lang: Lang) {
    let attempts = match error.attempts() {
        [] => std::slice::from_ref(error),
        attempts => attempts,
    };
    for line in attempts.iter().filter_map(|attempt| line(attempt, lang)) {
        crate::ui::complain(&format!("{}\n", safe(&line)));
    }
}

fn line(error: &Error, lang: Lang) -> Option<String> {
    let means = match error.operation() {
        "connect" | "connect to proxy" => connect(error),
        "resolve" | "resolve proxy" => resolve(error),
        "proxy" if error.kind() == Kind::Proxy => Some(both!(
            "the connection to the proxy was there, and it is the proxy that says this; how far it got behind it, only it knows",
            "与代理的连接已经建立，这句话是代理说的；它在后面走到了哪一步，只有它自己知道",
        )),
        "bind" | "listen" => bind(error),
        "TLS handshake" => tls(error),
        _ => return None,
    };
    let (operation, address) = (error.operation(), error.address().unwrap_or("?"));
    let cause = error.cause();
    let line = both!(
        "explained: {operation} {address}: {cause}: {means}.",
        "说明：{operation} {address}：{cause}：{means}。",
        means: means?,
    );
    Some(line.text(lang).to_owned())
}

fn is_unix(error: &Error) -> bool {
    error.address().is_some_and(|address| address.starts_with("unix:"))
}

fn connect(error: &Error) -> Option<Both> {
    Some(match error.kind() {
        Kind::Refused if is_unix(error) => both!(
            "the socket's file is there, but nobody listens on it any more",
            "套接字文件还在，但已经没有进程在监听它",
        ),
        Kind::Refused => both!(
            "the machine is there and answered the SYN with a reset, for no socket listens on this port",
            "对方机器在线，但没有套接字监听这个端口，所以对 SYN 回答了复位（RST）",
        ),
        Kind::TimedOut => both!(
            "nobody answered the SYN, neither yes nor no: the machine is off or not there, or a firewall discards what \
             we send",
            "SYN 没有得到任何回答：对方机器关机或不存在，或者防火墙丢弃了我们发出的报文段",
        ),
        Kind::Unreachable => both!(
            "no SYN got there: this machine, or a router on the way, knows no way to that address",
            "SYN 没有送达：本机或途中的路由器不知道通往该地址的路",
        ),
        Kind::NotFound => {
            both!("there is no such file, so no server has bound it", "没有这个文件，也就没有服务器绑定它")
        }
        Kind::Reset => {
            both!("the other end took the connection and reset it at once", "对方接受了连接，随即又复位了它",)
        }
        Kind::AddressNotAvailable => both!(
            "there is no local address to connect from: the source is not of this machine or of the other family, or \
             all local ports for this destination are taken (TIME_WAIT takes them too)",
            "没有可用的本地地址来发起连接：指定的来源地址不属于本机或属于另一地址族，\
             或者通往该目标的本地端口已用完（TIME_WAIT 也会占用端口）",
        ),
        Kind::PermissionDenied if error.raw_os_error().is_none() => {
            both!(
                "callbox itself leads nobody there, so nothing was sent",
                "callbox 自己不允许连接到那里，因此没有发送任何内容"
            )
        }
        Kind::PermissionDenied => both!(
            "this machine forbids it before anything is sent: rights of a file, a local firewall or a sandbox",
            "还没有发送任何内容，本机就禁止了它：文件权限、本机防火墙或沙箱",
        ),
        _ => return None,
    })
}

fn resolve(error: &Error) -> Option<Both> {
    match error.kind() {
        Kind::NotFound => Some(both!(
            "the name has no address, so there was nobody to connect to; this is the work of DNS or of /etc/hosts, \
             before TCP begins",
            "这个名字没有对应的地址，所以无从连接；这一步由 DNS 或 /etc/hosts 完成，TCP 还没有开始",
        )),
        _ => None,
    }
}

fn tls(error: &Error) -> Option<Both> {
    match error.kind() {
        Kind::Tls => Some(both!(
            "the TCP connection was there; TLS, which begins on top of it, came to nothing, so no byte of yours was sent",
            "TCP 连接已经建立；之上的 TLS 没有谈成，所以你的数据一个字节也没有发送",
        )),
        _ => None,
    }
}

fn bind(error: &Error) -> Option<Both> {
    let address = error.address()?;
    let port = address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    Some(match error.kind() {
        Kind::AddressInUse => match (address.strip_prefix("unix:"), address.parse::<SocketAddr>()) {
            (Some(path), _) => holder::of_unix(path),
            (None, Ok(addr)) => holder::of_tcp(addr),
            (None, Err(_)) => return None,
        },
        Kind::AddressNotAvailable => both!(
            "a server can bind only addresses of its own machine, and this is none of them",
            "服务器只能绑定本机自己的地址，而这不是本机的地址",
        ),
        Kind::PermissionDenied if port.is_some_and(|port| port < 1024) => both!(
            "ports below 1024 are kept for root, so that not everybody can pose as a well-known service",
            "1024 以下的端口保留给 root，以免任何人都能冒充知名服务",
        ),
        Kind::PermissionDenied => both!("the system forbids it to us", "系统不允许我们这样做"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(operation: &'static str, kind: Kind, address: &str) -> Option<(String, String)> {
        let error = Error::new(operation, kind, "cause").at(address);
        Some((line(&error, Lang::En)?, line(&error, Lang::Zh)?))
    }

    #[test]
    fn each_reason_has_its_meaning_in_both_languages() {
        let table = [
            ("connect", Kind::Refused, "127.0.0.1:9", "no socket listens on this port", "没有套接字监听这个端口"),
            ("connect", Kind::Refused, "unix:/tmp/a", "nobody listens on it any more", "已经没有进程在监听它"),
            ("connect", Kind::TimedOut, "192.0.2.1:9", "nobody answered the SYN", "没有得到任何回答"),
            ("connect", Kind::Unreachable, "192.0.2.1:9", "knows no way", "不知道通往该地址的路"),
            ("connect", Kind::NotFound, "unix:/tmp/a", "no such file", "没有这个文件"),
            ("connect", Kind::Reset, "127.0.0.1:9", "reset it at once", "随即又复位了它"),
            ("connect", Kind::AddressNotAvailable, "127.0.0.1:9", "no local address", "没有可用的本地地址"),
            ("connect", Kind::PermissionDenied, "127.0.0.1:9", "leads nobody there", "不允许连接到那里"),
            ("resolve", Kind::NotFound, "no.such.name", "no address", "没有对应的地址"),
            ("TLS handshake", Kind::Tls, "127.0.0.1:9", "the TCP connection was there", "TCP 连接已经建立"),
            ("bind", Kind::AddressNotAvailable, "192.0.2.1:9", "its own machine", "本机自己的地址"),
            ("bind", Kind::PermissionDenied, "127.0.0.1:80", "below 1024", "1024 以下"),
            ("bind", Kind::PermissionDenied, "unix:/srv/a", "forbids it", "不允许"),
        ];
        for (operation, kind, address, en, zh) in table {
            let (english, chinese) = said(operation, kind, address).expect("is explained");
            assert!(english.starts_with(&format!("explained: {operation} {address}: ")), "{english}");
            assert!(english.contains(en) && english.ends_with('.'), "{english}");
            assert!(chinese.contains(zh) && chinese.ends_with('。'), "{chinese}");
        }
    }

    #[test]
    fn what_the_system_forbids_is_told_from_what_callbox_forbids() {
        let denied = Error::io("connect", std::io::Error::from_raw_os_error(13)).at("127.0.0.1:9");
        let said = connect(&denied).expect("is explained");
        assert!(said.en.contains("this machine forbids it"), "{}", said.en);
    }

    #[test]
    fn what_is_no_connect_and_no_bind_is_not_explained() {
        assert_eq!(said("read", Kind::Reset, "127.0.0.1:9"), None);
        assert_eq!(said("inherit", Kind::Io, "fd:3"), None);
    }
}
