//! The paper's figures (Tables 3 to 7, section 5.7, appendix A), each from its inputs.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use tollwire_settlement::cost_model::{
    EVM_GAS_ALONE, Inputs, Measured, SOLANA_SIGNATURES, Waterfall, appendix, render, render_measured,
};
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

/// The tables of the paper as it prints them: the label of a row, then its cells.
const TABLES: &[(&str, &[&[&str]])] = &[
    (
        "Table 3",
        &[
            &["Agent pays", "$1.00000"],
            &["Gas (Base, per settlement)", "($0.00700)"],
            &["Facilitator gross (1%)", "($0.01000)"],
            &["Facilitator infrastructure overhead", "($0.00200)"],
            &["Provider net per stream", "$0.98300"],
            &["Facilitator net per stream", "$0.00800"],
        ],
    ),
    (
        "Table 4",
        &[
            &["Agent pays", "$1.00000"],
            // The paper says "total with priority" in this label.
            &["Gas (Solana, per settlement)", "($0.00125)"],
            &["Facilitator gross (1%)", "($0.01000)"],
            &["Facilitator infrastructure overhead", "($0.00200)"],
            &["Provider net per stream", "$0.98875"],
            &["Facilitator net per stream", "$0.00800"],
        ],
    ),
    (
        "Table 5",
        &[
            &["Gas per stream", "$0.00700", "$0.00070", "-90.0%"],
            &["Provider net per stream", "$0.98300", "$0.98930", "+$0.00630"],
            &["Provider net (10 streams)", "$9.83000", "$9.89300", "+$0.063"],
            &["On-chain transactions", "10", "1", "-9"],
        ],
    ),
    (
        "Table 6",
        &[
            &["100", "$100.00", "$0.70", "$0.80", "$98.30"],
            &["1,000", "$1,000.00", "$7.00", "$8.00", "$983.00"],
            &["10,000", "$10,000.00", "$70.00", "$80.00", "$9,830.00"],
        ],
    ),
    (
        "Table 7",
        &[
            &["QuickNode Scale equivalent", "508", "$499.36"],
            &["10 agents x 25 streams", "250", "$245.75"],
            &["10 agents x 100 streams", "1,000", "$983.00"],
            &["10 agents x 1,000 streams", "10,000", "$9,830.00"],
        ],
    ),
];

/// Appendix A as the paper prints it: what stands before a value, and the value.
const APPENDIX: &[(&str, &[(&str, &str)])] = &[
    (
        "On Base",
        &[
            ("Agent pays:", "$1.00000"),
            ("Less gas (Base):", "-$0.00700"),
            ("Less facilitator cut (1%):", "-$0.01000"),
            ("Provider net per stream:", "$0.98300"),
            ("Facilitator gross:", "$0.01000"),
            ("Less infra overhead:", "-$0.00200"),
            ("Facilitator net per stream:", "$0.00800"),
            ("Verification:", "$0.98300 + $0.00800 + $0.00200 + $0.00700 = $1.00000 OK"),
        ],
    ),
    (
        "On Solana",
        &[
            ("Agent pays:", "$1.00000"),
            ("Less gas (Solana):", "-$0.00125"),
            ("Less facilitator cut (1%):", "-$0.01000"),
            ("Provider net per stream:", "$0.98875"),
            ("Facilitator gross:", "$0.01000"),
            ("Less infra overhead:", "-$0.00200"),
            ("Facilitator net per stream:", "$0.00800"),
            ("Verification:", "$0.98875 + $0.00800 + $0.00200 + $0.00125 = $1.00000 OK"),
        ],
    ),
    (
        "Single settlement (10 separate on-chain transactions)",
        &[
            ("Total payment:", "10 x $1.00 = $10.00000"),
            ("Total gas:", "10 x $0.007 = $0.07000"),
            ("Total facilitator net:", "10 x $0.008 = $0.08000"),
            ("Total provider net:", "10 x $0.983 = $9.83000"),
        ],
    ),
    (
        "Session deposit ($10.00 USDC, one transaction)",
        &[
            ("Total payment (deposit):", "$10.00000"),
            ("Gas (one transaction):", "-$0.00700"),
            ("Facilitator gross (1%):", "-$0.10000"),
            ("Facilitator infra:", "-$0.02000"),
            ("Facilitator net:", "$0.08000"),
            ("Provider net:", "$9.89300"),
            ("Provider net per stream:", "$0.98930"),
            ("Verification:", "$9.893 + $0.08 + $0.02 + $0.007 = $10.000 OK"),
        ],
    ),
    (
        "A.3",
        &[
            ("Provider net per stream:", "$0.983"),
            ("100 streams:", "GMV = $100.00 | Gas = $0.70 | Facilitator net = $0.80 | Provider net = $98.30"),
            (
                "1,000 streams:",
                "GMV = $1,000.00 | Gas = $7.00 | Facilitator net = $8.00 | Provider net = $983.00",
            ),
            (
                "10,000 streams:",
                "GMV = $10,000.00 | Gas = $70.00 | Facilitator net = $80.00 | Provider net = $9,830.00",
            ),
        ],
    ),
    (
        "A.4",
        &[
            ("QuickNode Scale plan:", "$499.00/month flat"),
            ("Streams to match $499.00 net:", "$499.00 / $0.983 = 507.63 -> 508 streams/month"),
            ("10 agents x 25 streams:", "250 streams x $0.983 = $245.75/month"),
        ],
    ),
];

/// The lines after the one that begins with `title`.
fn after<'a>(page: &'a str, title: &str) -> impl Iterator<Item = &'a str> {
    let mut lines = page.lines();
    assert!(lines.any(|line| line.starts_with(title)), "no {title} in\n{page}");
    lines
}

#[test]
fn every_cell_of_the_paper_s_tables_is_printed_digit_for_digit() {
    let page = render(&Inputs::paper()).unwrap();
    for (title, rows) in TABLES {
        // A head and a rule stand between the title and the rows.
        for (row, line) in rows.iter().zip(after(&page, title).skip(2)) {
            let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            assert_eq!(cells, **row, "{title}");
        }
    }
    assert!(page.contains("$499.00 / $0.983 = 507.63 -> 508 streams/month"));
}

#[test]
fn every_line_of_appendix_a_is_printed_digit_for_digit() {
    let page = appendix(&Inputs::paper()).unwrap();
    for (title, lines) in APPENDIX {
        let mut printed = after(&page, title).filter(|line| !line.trim().is_empty());
        for (label, value) in *lines {
            let line = printed.next().unwrap().trim();
            let found = line.strip_prefix(label).map(str::trim);
            assert_eq!(found, Some(*value), "{title}: {line}");
        }
    }
}

#[test]
fn measured_costs_stand_beside_the_paper_s() {
    // 103,382 gas at 0.01 gwei and $3,000 per coin: 103,382 * 10^7 * 3 * 10^9 / 10^18 = 3,101.46 atomic units.
    let alone = Measured::evm("Base", EVM_GAS_ALONE, 1, 10_000_000, usdc("3000")).unwrap();
    assert_eq!(alone.gas.atomic(), 3_102);
    let batch = Measured::evm("Base", 600_000, 10, 10_000_000, usdc("3000")).unwrap();
    assert_eq!((batch.gas.atomic(), batch.how.as_str()), (1_800, "batch of 10"));
    // 2 * 5,000 lamports at $150 per SOL: $0.0015.
    let solana = Measured::solana("Solana", SOLANA_SIGNATURES, 0, usdc("150")).unwrap();
    assert_eq!(solana.gas, usdc("0.0015"));
    let page = render_measured(&Inputs::paper(), &[alone, batch, solana.clone()]).unwrap();
    for line in [
        ["Base, assumed by the paper", "$0.007000", "$0.983000", "$0.989300", "appendix A"],
        [
            "Base, measured, alone",
            "$0.003102",
            "$0.986898",
            "$0.989689",
            "103,382 gas x 10,000,000 wei, $3000.00 per coin",
        ],
        [
            "Base, measured, batch of 10",
            "$0.001800",
            "$0.988200",
            "$0.989820",
            "600,000 gas x 10,000,000 wei, $3000.00 per coin",
        ],
        [
            "Solana, measured, alone",
            "$0.001500",
            "$0.988500",
            "$0.989850",
            "2 x 5,000 + 0 lamports, $150.00 per SOL",
        ],
    ] {
        let cells = |row: &str| {
            row.split("  ").map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(page.lines().any(|row| cells(row) == line), "{line:?} in\n{page}");
    }
    let elsewhere = Measured { chain: "Elsewhere".into(), ..solana };
    assert!(render_measured(&Inputs::paper(), &[elsewhere]).is_err());
    assert_eq!(Measured::evm("Base", u64::MAX, 1, u64::MAX, Usdc::MAX), None);
    assert_eq!(Measured::evm("Base", 1, 0, 1, usdc("1")), None);
}
