//! What a call costs, when the price is ours.

use std::collections::BTreeMap;
use tollwire_exact::{evm, solana};
use tollwire_x402::{Network, Usdc, asset};

/// The price of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// How much.
    pub amount: Usdc,
    /// Who is paid, on each network on which a call can be paid.
    pub pay_to: BTreeMap<Network, String>,
}

/// Why a price cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// Nothing would have to be paid.
    #[error("price: more than nothing; leave it out for an API that prices itself")]
    Nothing,
    /// Nobody would be paid.
    #[error("pay_to: name a wallet for each network, such as {{ \"eip155:8453\" = \"0x...\" }}")]
    Nobody,
    /// No USDC is known there.
    #[error("pay_to: no USDC is known on {0}")]
    Network(Network),
    /// Money that arrives there buys sessions.
    #[error("pay_to: on {0} this is the deposit wallet of its [[chain]]; name another")]
    Own(Network),
    /// That is no wallet there.
    #[error("pay_to: not an address of {0}")]
    Wallet(Network),
}

impl Price {
    /// Whether it can be asked at all.
    pub fn check(&self) -> Result<(), PriceError> {
        if self.amount == Usdc::ZERO {
            return Err(PriceError::Nothing);
        }
        if self.pay_to.is_empty() {
            return Err(PriceError::Nobody);
        }
        for (network, wallet) in &self.pay_to {
            if asset::usdc(*network).is_none() {
                return Err(PriceError::Network(*network));
            }
            let known = match network {
                Network::Eip155(_) => wallet.parse::<evm::Address>().is_ok(),
                Network::Solana(_) => wallet.parse::<solana::Address>().is_ok(),
            };
            if !known {
                return Err(PriceError::Wallet(*network));
            }
        }
        Ok(())
    }

    /// Whether nobody is paid at one of these wallets: what arrives there buys sessions, and the settlement would refuse it.
    pub fn check_payees(&self, own: &BTreeMap<Network, String>) -> Result<(), PriceError> {
        let clash = self.pay_to.iter().find(|(network, wallet)| {
            own.get(*network).is_some_and(|own| match network {
                Network::Eip155(_) => own.eq_ignore_ascii_case(wallet),
                Network::Solana(_) => own == *wallet,
            })
        });
        clash.map_or(Ok(()), |(network, _)| Err(PriceError::Own(*network)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_has_its_name() {
        let base = Network::BASE_SEPOLIA;
        let price = |amount: u64, pay_to: &[(Network, &str)]| Price {
            amount: Usdc::from_atomic(amount).unwrap(),
            pay_to: pay_to.iter().map(|(network, wallet)| (*network, (*wallet).to_owned())).collect(),
        };
        let wallet = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
        assert_eq!(price(1, &[(base, wallet)]).check(), Ok(()));
        assert_eq!(price(0, &[(base, wallet)]).check(), Err(PriceError::Nothing));
        assert_eq!(price(1, &[]).check(), Err(PriceError::Nobody));
        assert_eq!(price(1, &[(base, "me")]).check(), Err(PriceError::Wallet(base)));
        let (good, lower) = (price(1, &[(base, wallet)]), wallet.to_lowercase());
        assert_eq!(good.check_payees(&BTreeMap::from([(base, lower)])), Err(PriceError::Own(base)));
        assert_eq!(good.check_payees(&BTreeMap::from([(Network::BASE, wallet.to_owned())])), Ok(()));
        let other = Network::Eip155(1);
        assert_eq!(price(1, &[(other, wallet)]).check(), Err(PriceError::Network(other)));
    }
}
