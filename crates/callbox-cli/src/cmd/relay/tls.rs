//! TLS on both sides of a relay.

use super::RelayArgs;
use crate::app::App;
use crate::args::Upstream;
use crate::exit::Failure;
use crate::started::Reloads;
use crate::tls::client::Ready;
use crate::tls::server::Serving;

/// TLS with clients and with upstreams, where it is asked for.
pub struct Tls {
    /// With clients.
    pub clients: Option<Serving>,
    /// With upstreams.
    pub upstreams: Option<Ready>,
    /// With the mirror.
    pub mirror: Option<Ready>,
}

impl Tls {
    /// Makes it ready.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or used, flags that mean nothing without TLS, and upstreams that do not agree on it.
    pub fn of(args: &RelayArgs) -> Result<Tls, Failure> {
        let scheme = args.listen.as_ref().is_some_and(|listen| listen.tls);
        let listen = args.listen.as_ref().map_or_else(callbox::Addr::default_address, |listen| listen.at.addr());
        let clients = args.tls.ready(&args.both, &listen, scheme)?;
        let (with, without): (Vec<_>, Vec<_>) =
            args.upstreams.iter().filter_map(Upstream::server).partition(|to| to.tls);
        if let (Some(with), Some(without), false) = (with.first(), without.first(), args.upstream_tls.tls_upstream) {
            let problem = format!("{with} is to be spoken to over TLS, and {without} is not: all upstreams are alike");
            return Err(Failure::usage(problem));
        }
        let mirrored = args.mirror.as_ref().is_some_and(|mirror| mirror.tls);
        let any = args.upstream_tls.ready(&args.both, !with.is_empty() || mirrored)?;
        let asked = |scheme: bool| any.clone().filter(|_| scheme || args.upstream_tls.tls_upstream);
        let (upstreams, mirror) = (asked(!with.is_empty()), asked(mirrored));
        args.both.check(clients.is_some() || any.is_some())?;
        Ok(Tls { clients, upstreams, mirror })
    }

    /// Says what the user should know.
    pub fn say(&self, app: &App) {
        match (&self.clients, self.upstreams.as_ref().or(self.mirror.as_ref())) {
            (Some(clients), ready) => {
                clients.say(app);
                ready.iter().for_each(|ready| ready.say_whom(app));
            }
            (None, Some(ready)) => ready.say(app),
            (None, None) => {}
        }
    }

    /// Adds what is to be read again.
    pub fn reload(&self, reloads: &mut Reloads) {
        if let Some(again) = self.clients.as_ref().and_then(Serving::reload) {
            reloads.add(again);
        }
    }
}
