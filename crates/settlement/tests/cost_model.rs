//! The paper's figures (Tables 3 to 7, section 5.7, appendix A), each from its inputs.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use tollwire_settlement::cost_model::{Inputs, Waterfall, render};
use tollwire_x402::Usdc;

fn usdc(dollars: &str) -> Usdc {
    dollars.parse().unwrap()
}

/// gas, fee, infrastructure, provider net, facilitator net
fn parts(w: &Waterfall) -> [Usdc; 6] {
    [w.paid, w.gas, w.facilitator_gross, w.infra, w.provider_net, w.facilitator_net]
}

#[test]
fn tables_3_and_4_and_appendix_a1() {
    let paper = Inputs::paper();
    let expected = [
        ["1.00000", "0.00700", "0.01000", "0.00200", "0.98300", "0.00800"],
        ["1.00000", "0.00125", "0.01000", "0.00200", "0.98875", "0.00800"],
    ];
    for (chain, expected) in paper.chains.iter().zip(expected) {
        let share = paper.waterfall(chain.gas).unwrap();
        assert_eq!(parts(&share), expected.map(usdc), "{}", chain.name);
        assert!(share.adds_up());
    }
}

#[test]
fn table_5_section_5_7_and_appendix_a2() {
    let both = Inputs::paper().amortization().unwrap();
    assert_eq!(
        parts(&both.single),
        ["10.00000", "0.07000", "0.10000", "0.02000", "9.83000", "0.08000"].map(usdc)
    );
    assert_eq!(
        parts(&both.session),
        ["10.00000", "0.00700", "0.10000", "0.02000", "9.89300", "0.08000"].map(usdc)
    );
    assert!(both.single.adds_up() && both.session.adds_up());
    // "At 10,000 streams per month, this difference compounds to $63.00."
    let per_session = both.session.provider_net.checked_sub(both.single.provider_net).unwrap();
    assert_eq!(per_session.checked_mul(1_000), Some(usdc("63.00")));
}

#[test]
fn table_6_and_appendix_a3() {
    for (streams, gmv, gas, facilitator, provider) in [
        (100, "100.00", "0.70", "0.80", "98.30"),
        (1_000, "1000.00", "7.00", "8.00", "983.00"),
        (10_000, "10000.00", "70.00", "80.00", "9830.00"),
    ] {
        let total = Inputs::paper().projection(streams).unwrap().total;
        assert_eq!(
            [total.paid, total.gas, total.facilitator_net, total.provider_net],
            [gmv, gas, facilitator, provider].map(usdc)
        );
    }
}

#[test]
fn table_7_and_appendix_a4() {
    let comparison = Inputs::paper().comparison().unwrap();
    assert_eq!((comparison.required_streams, comparison.required_hundredths), (508, 50_763));
    assert_eq!(comparison.provider_net, usdc("499.364"), "the paper prints $499.36");
    let fleets: Vec<_> = comparison.fleets.iter().map(|(.., streams, net)| (*streams, *net)).collect();
    assert_eq!(fleets, [(250, usdc("245.75")), (1_000, usdc("983.00")), (10_000, usdc("9830.00"))]);
}

#[test]
fn costs_above_the_price_are_said_so() {
    let mut inputs = Inputs::paper();
    inputs.price = usdc("0.001");
    assert!(inputs.waterfall(usdc("0.007")).is_err());
    assert!(render(&inputs).is_err());
}

#[test]
fn the_printed_tables() {
    let text = render(&Inputs::paper()).unwrap();
    assert_eq!(text, include_str!("cost_model.txt"), "printed:\n{text}");
}
