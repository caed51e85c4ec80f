//! The tables as text, for `facilitator cost-model`.

use super::{Inputs, ModelError, TOO_LARGE, Waterfall};
use tollwire_x402::Usdc;

/// All tables and the appendix's checks, as plain text in columns.
pub fn render(inputs: &Inputs) -> Result<String, ModelError> {
    let mut page = String::new();
    for (number, chain) in (3_u32..).zip(&inputs.chains) {
        let share = inputs.waterfall(chain.gas)?;
        let title = format!("Per-stream payment waterfall: {} (single settlement)", chain.name);
        let title = if number < 5 { format!("Table {number}: {title}") } else { title };
        push(&mut page, &title, &waterfall_rows(&chain.name, inputs.fee_bps, &share));
        page.push_str(&verification(&share));
    }
    let first = inputs.chains.first().map_or("", |chain| chain.name.as_str());
    let title = format!(
        "Table 5: Session deposit against single settlement ({} streams, {first})",
        inputs.session_streams
    );
    push(&mut page, &title, &amortization_rows(inputs)?);
    page.push_str(&verification(&inputs.amortization()?.session));
    push(
        &mut page,
        &format!("Table 6: Provider revenue projections ({first}, single settlement)"),
        &projection_rows(inputs)?,
    );
    push(&mut page, "Table 7: Facilitator model against subscription revenue", &comparison_rows(inputs)?);
    page.push_str(&required_line(inputs)?);
    Ok(page)
}

pub(super) type Row = Vec<String>;

fn waterfall_rows(chain: &str, fee_bps: u16, share: &Waterfall) -> Vec<Row> {
    let fee = percent(u64::from(fee_bps));
    vec![
        row(["Item", "Amount"]),
        row(["Agent pays", &money(share.paid, 5)]),
        row([&format!("Gas ({chain}, per settlement)"), &cost(share.gas)]),
        row([&format!("Facilitator gross ({fee}%)"), &cost(share.facilitator_gross)]),
        row(["Facilitator infrastructure overhead", &cost(share.infra)]),
        row(["Provider net per stream", &money(share.provider_net, 5)]),
        row(["Facilitator net per stream", &money(share.facilitator_net, 5)]),
    ]
}

fn amortization_rows(inputs: &Inputs) -> Result<Vec<Row>, ModelError> {
    let both = inputs.amortization()?;
    let (single, session, streams) = (both.single, both.session, both.streams);
    let each = |sum: Usdc| part(sum, streams);
    let (single_gas, session_gas) = (each(single.gas)?, each(session.gas)?);
    let (single_net, session_net) = (each(single.provider_net)?, each(session.provider_net)?);
    Ok(vec![
        row(["Metric", "Single settlement", "Session deposit", "Delta"]),
        row([
            "Gas per stream",
            &money(single_gas, 5),
            &money(session_gas, 5),
            &format!("-{}%", saved_tenths(single.gas, session.gas)),
        ]),
        row([
            "Provider net per stream",
            &money(single_net, 5),
            &money(session_net, 5),
            &format!("+{}", money(less(session_net, single_net)?, 5)),
        ]),
        row([
            &format!("Provider net ({streams} streams)"),
            &money(single.provider_net, 5),
            &money(session.provider_net, 5),
            &format!("+{}", money(less(session.provider_net, single.provider_net)?, 3)),
        ]),
        row([
            "On-chain transactions",
            &count(streams),
            "1",
            &format!("-{}", count(streams.saturating_sub(1))),
        ]),
    ])
}

fn projection_rows(inputs: &Inputs) -> Result<Vec<Row>, ModelError> {
    let mut rows = vec![row(["Monthly streams", "Total GMV", "Gas cost", "Facilitator net", "Provider net"])];
    for volume in &inputs.volumes {
        let total = inputs.projection(*volume)?.total;
        rows.push(row([
            &count(*volume),
            &cents(total.paid),
            &cents(total.gas),
            &cents(total.facilitator_net),
            &cents(total.provider_net),
        ]));
    }
    Ok(rows)
}

fn comparison_rows(inputs: &Inputs) -> Result<Vec<Row>, ModelError> {
    let comparison = inputs.comparison()?;
    let mut rows = vec![
        row(["Scenario", "Monthly streams", "Provider net"]),
        row([
            &format!("{} equivalent", inputs.subscription.0),
            &count(comparison.required_streams),
            &cents(comparison.provider_net),
        ]),
    ];
    for (agents, each, streams, net) in comparison.fleets {
        let fleet = format!("{} agents x {} streams", count(agents), count(each));
        rows.push(row([&fleet, &count(streams), &cents(net)]));
    }
    Ok(rows)
}

fn required_line(inputs: &Inputs) -> Result<String, ModelError> {
    let first = inputs.first_gas()?;
    let comparison = inputs.comparison()?;
    let hundredths = comparison.required_hundredths;
    Ok(format!(
        "Required streams = {} / {} = {}.{:02} -> {} streams/month\n",
        money(inputs.subscription.1, 2),
        money(inputs.waterfall(first)?.provider_net, 3),
        hundredths / 100,
        hundredths % 100,
        count(comparison.required_streams),
    ))
}

fn verification(share: &Waterfall) -> String {
    let verdict = if share.adds_up() { "OK" } else { "WRONG" };
    format!(
        "Verification: {} + {} + {} + {} = {} {verdict}\n\n",
        money(share.provider_net, 5),
        money(share.facilitator_net, 5),
        money(share.infra, 5),
        money(share.gas, 5),
        money(share.paid, 5),
    )
}

pub(super) fn row<const N: usize>(cells: [&str; N]) -> Row {
    cells.into_iter().map(str::to_owned).collect()
}

/// Appends a table: first column to the left, the others to the right.
pub(super) fn push(page: &mut String, title: &str, rows: &[Row]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    page.push_str(title);
    page.push('\n');
    for (index, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let text = if column == 0 { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") };
            page.push_str(&text);
        }
        page.push('\n');
        if index == 0 {
            let rule = (0..columns).map(|column| format!("  {}", "-".repeat(width(column))));
            page.extend(rule);
            page.push('\n');
        }
    }
    page.push('\n');
}

/// Dollars with at least `decimals` decimals and thousands separated; more decimals where fewer would hide money.
pub(super) fn money(amount: Usdc, decimals: usize) -> String {
    let atomic = amount.atomic();
    let fraction = format!("{:06}", atomic % 1_000_000);
    let kept = fraction.trim_end_matches('0').len().max(decimals);
    format!("${}.{}", count(atomic / 1_000_000), fraction.get(..kept).unwrap_or(&fraction))
}

/// Whole cents, rounded down, as the monthly tables show them.
pub(super) fn cents(amount: Usdc) -> String {
    let atomic = amount.atomic();
    format!("${}.{:02}", count(atomic / 1_000_000), atomic % 1_000_000 / 10_000)
}

fn cost(amount: Usdc) -> String {
    format!("({})", money(amount, 5))
}

pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_add(digits.len() / 3));
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Basis points as a percentage without trailing zeros.
pub(super) fn percent(bps: u64) -> String {
    let text = format!("{}.{:02}", bps / 100, bps % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How much of `before` is saved, in percent with one decimal, rounded down.
fn saved_tenths(before: Usdc, after: Usdc) -> String {
    let saved = before.atomic().saturating_sub(after.atomic());
    let tenths =
        u128::from(saved).saturating_mul(1_000).checked_div(u128::from(before.atomic())).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

pub(super) fn part(sum: Usdc, of: u64) -> Result<Usdc, ModelError> {
    let each = sum.atomic().checked_div(of).ok_or(ModelError("a session needs at least one stream"))?;
    Usdc::from_atomic(each).ok_or(TOO_LARGE)
}

fn less(a: Usdc, b: Usdc) -> Result<Usdc, ModelError> {
    a.checked_sub(b).ok_or(ModelError("a session deposit earns less than single settlement"))
}
