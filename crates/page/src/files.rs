//! Which files a page has.

use crate::asset::{Asset, Kind};

macro_rules! file {
    ($kind:ident, $folder:literal, $name:literal) => {
        Asset {
            path: concat!("/page/", $name),
            kind: Kind::$kind,
            content: include_str!(concat!("../assets/", $folder, "/", $name)),
        }
    };
}

macro_rules! index {
    ($folder:literal) => {
        Asset {
            path: "/",
            kind: Kind::Html,
            content: include_str!(concat!("../assets/", $folder, "/index.html")),
        }
    };
}

/// What both pages use.
const SHARED: &[Asset] = &[
    file!(Style, "shared", "base.css"),
    file!(Style, "shared", "layout.css"),
    file!(Style, "shared", "controls.css"),
    file!(Style, "shared", "dialogs.css"),
    file!(Style, "shared", "tables.css"),
    file!(Style, "shared", "pictures.css"),
    file!(Svg, "shared", "icon.svg"),
    file!(Script, "shared", "api.js"),
    file!(Script, "shared", "chart.js"),
    file!(Script, "shared", "confirm.js"),
    file!(Script, "shared", "csv.js"),
    file!(Script, "shared", "dialog.js"),
    file!(Script, "shared", "dom.js"),
    file!(Script, "shared", "form.js"),
    file!(Script, "shared", "format.js"),
    file!(Script, "shared", "metrics.js"),
    file!(Script, "shared", "morph.js"),
    file!(Script, "shared", "parts.js"),
    file!(Script, "shared", "shell.js"),
    file!(Script, "shared", "sign_in.js"),
    file!(Script, "shared", "table.js"),
    file!(Script, "shared", "view.js"),
];

const FACILITATOR: &[Asset] = &[
    index!("facilitator"),
    file!(Script, "facilitator", "main.js"),
    file!(Script, "facilitator", "overview.js"),
    file!(Script, "facilitator", "rates.js"),
    file!(Script, "facilitator", "latency.js"),
    file!(Script, "facilitator", "sessions.js"),
    file!(Script, "facilitator", "session.js"),
    file!(Script, "facilitator", "feeds.js"),
    file!(Script, "facilitator", "feed_form.js"),
    file!(Script, "facilitator", "money.js"),
    file!(Script, "facilitator", "payouts.js"),
    file!(Script, "facilitator", "chains.js"),
    file!(Script, "facilitator", "exports.js"),
];

const BROKER: &[Asset] = &[
    index!("broker"),
    file!(Script, "broker", "main.js"),
    file!(Script, "broker", "parties.js"),
    file!(Script, "broker", "party_form.js"),
    file!(Script, "broker", "apis.js"),
    file!(Script, "broker", "conversations.js"),
    file!(Script, "broker", "people.js"),
    file!(Script, "broker", "service_agents.js"),
    file!(Script, "broker", "agent_sessions.js"),
    file!(Script, "broker", "log.js"),
];

/// A page: its own files, and those that all pages share.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    own: &'static [Asset],
    shared: &'static [Asset],
}

impl Page {
    /// The facilitator's.
    pub const fn facilitator() -> Self {
        Self { own: FACILITATOR, shared: SHARED }
    }

    /// The broker's.
    pub const fn broker() -> Self {
        Self { own: BROKER, shared: SHARED }
    }

    /// None at all: everything is the service's.
    pub const fn none() -> Self {
        Self { own: &[], shared: &[] }
    }

    /// The file at a path.
    pub(crate) fn find(self, path: &str) -> Option<&'static Asset> {
        self.all().find(|asset| asset.path == path)
    }

    /// All its files.
    pub(crate) fn all(self) -> impl Iterator<Item = &'static Asset> {
        self.own.iter().chain(self.shared)
    }
}
