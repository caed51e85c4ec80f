//! `facilitator`, `[[chain]]`, and what prices have to do with them.

use super::File;
use tollwire_ops::config::Loaded;
use tollwire_wiring::{Chain, Exposure};

/// Rules that span prices, facilitator and chains.
pub(super) fn validate(file: &Loaded<File>) -> Result<(), tollwire_ops::Error> {
    let value = &file.value;
    if value.facilitator.is_some() && !value.chain.is_empty() {
        return Err(file.error("facilitator", "write facilitator or [[chain]], not both"));
    }
    if value.facilitator.is_none() && value.facilitator_key.is_some() {
        return Err(file.error("facilitator_key", "there is no facilitator to send it to"));
    }
    let exposure = Exposure { listen: value.listen, dev_allow_public: value.dev_allow_public };
    let networks = tollwire_wiring::check(file, &value.chain, exposure)?;
    let dev = value.chain.iter().any(|chain| matches!(chain, Chain::Dev));
    for (position, api) in value.api.iter().enumerate() {
        let fail = |key: &str, why: String| Err(file.error(format!("api[{position}].{key}"), why));
        if api.price.is_none() {
            if !api.pay_to.is_empty() {
                return fail("pay_to", "without a price nobody is paid".into());
            }
            continue;
        }
        if value.facilitator.is_none() && value.chain.is_empty() {
            let why = "a price needs somebody who settles: write facilitator = \"URL\", or [[chain]] blocks";
            return fail("price", why.into());
        }
        if value.facilitator.is_some() {
            continue;
        }
        if let Some(stray) = api.pay_to.keys().find(|network| !networks.contains(network)) {
            return fail("pay_to", format!("{stray} has no [[chain]]"));
        }
        if api.pay_to.is_empty() && !dev {
            return fail("pay_to", "name the wallet that is paid, for each network".into());
        }
    }
    Ok(())
}
