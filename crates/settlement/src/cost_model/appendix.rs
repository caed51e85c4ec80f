//! Appendix A of the paper as text: every figure with the arithmetic that leads to it, from the model's inputs.

use super::render::{cents, count, money, part, percent};
use super::{Inputs, ModelError, Waterfall};
use std::fmt::Write as _;

/// All four analyses, as the paper prints them.
pub fn appendix(inputs: &Inputs) -> Result<String, ModelError> {
    let mut page =
        String::from("Appendix A: Cost model\n\nA.1: Per-stream economics (single settlement)\n\n");
    for chain in &inputs.chains {
        single(&mut page, inputs, &chain.name, &inputs.waterfall(chain.gas)?);
    }
    session(&mut page, inputs)?;
    projections(&mut page, inputs)?;
    subscription(&mut page, inputs)?;
    Ok(page)
}

fn line(page: &mut String, label: &str, value: &str) {
    head(page, &format!("  {label:<30}{value}"));
}

fn head(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _written = writeln!(page, "{text}");
}

fn single(page: &mut String, inputs: &Inputs, chain: &str, share: &Waterfall) {
    head(page, &format!("On {chain}"));
    let less = |amount| format!("-{}", money(amount, 5));
    line(page, "Agent pays:", &money(share.paid, 5));
    line(page, &format!("Less gas ({chain}):"), &less(share.gas));
    let fee = percent(u64::from(inputs.fee_bps));
    line(page, &format!("Less facilitator cut ({fee}%):"), &less(share.facilitator_gross));
    line(page, "Provider net per stream:", &money(share.provider_net, 5));
    line(page, "Facilitator gross:", &money(share.facilitator_gross, 5));
    line(page, "Less infra overhead:", &less(share.infra));
    line(page, "Facilitator net per stream:", &money(share.facilitator_net, 5));
    line(page, "Verification:", &verification(share, 5, 5));
    page.push('\n');
}

fn session(page: &mut String, inputs: &Inputs) -> Result<(), ModelError> {
    let both = inputs.amortization()?;
    let (streams, all, deposit) = (both.streams, both.single, both.session);
    let first = inputs.chains.first().map_or("", |chain| chain.name.as_str());
    let each = inputs.waterfall(inputs.first_gas()?)?;
    let times = |one, sum| format!("{} x {} = {}", count(streams), money(one, 2), money(sum, 5));
    head(page, &format!("A.2: Session deposit model vs. single settlement ({streams} streams, {first})\n"));
    head(page, &format!("Single settlement ({streams} separate on-chain transactions)"));
    line(page, "Total payment:", &times(each.paid, all.paid));
    line(page, "Total gas:", &times(each.gas, all.gas));
    line(page, "Total facilitator net:", &times(each.facilitator_net, all.facilitator_net));
    line(page, "Total provider net:", &times(each.provider_net, all.provider_net));
    head(page, &format!("Session deposit ({} USDC, one transaction)", money(deposit.paid, 2)));
    let less = |amount| format!("-{}", money(amount, 5));
    line(page, "Total payment (deposit):", &money(deposit.paid, 5));
    line(page, "Gas (one transaction):", &less(deposit.gas));
    let fee = percent(u64::from(inputs.fee_bps));
    line(page, &format!("Facilitator gross ({fee}%):"), &less(deposit.facilitator_gross));
    line(page, "Facilitator infra:", &less(deposit.infra));
    line(page, "Facilitator net:", &money(deposit.facilitator_net, 5));
    line(page, "Provider net:", &money(deposit.provider_net, 5));
    line(page, "Provider net per stream:", &money(part(deposit.provider_net, streams)?, 5));
    line(page, "Verification:", &verification(&deposit, 2, 3));
    page.push('\n');
    Ok(())
}

fn projections(page: &mut String, inputs: &Inputs) -> Result<(), ModelError> {
    let first = inputs.chains.first().map_or("", |chain| chain.name.as_str());
    let net = inputs.waterfall(inputs.first_gas()?)?.provider_net;
    head(page, &format!("A.3: Provider revenue projection ({first}, single settlement)\n"));
    line(page, "Provider net per stream:", &money(net, 2));
    for volume in &inputs.volumes {
        let total = inputs.projection(*volume)?.total;
        let sums = format!(
            "GMV = {} | Gas = {} | Facilitator net = {} | Provider net = {}",
            cents(total.paid),
            cents(total.gas),
            cents(total.facilitator_net),
            cents(total.provider_net)
        );
        line(page, &format!("{} streams:", count(*volume)), &sums);
    }
    page.push('\n');
    Ok(())
}

fn subscription(page: &mut String, inputs: &Inputs) -> Result<(), ModelError> {
    let comparison = inputs.comparison()?;
    let net = money(inputs.waterfall(inputs.first_gas()?)?.provider_net, 2);
    let (name, price) = (&inputs.subscription.0, money(inputs.subscription.1, 2));
    let hundredths = comparison.required_hundredths;
    page.push_str("A.4: Subscription revenue comparison\n\n");
    line(page, &format!("{name} plan:"), &format!("{price}/month flat"));
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    let streams = count(comparison.required_streams);
    line(
        page,
        &format!("Streams to match {price} net:"),
        &format!("{price} / {net} = {whole}.{rest:02} -> {streams} streams/month"),
    );
    for (agents, each, streams, brings) in comparison.fleets {
        let label = format!("{} agents x {} streams:", count(agents), count(each));
        line(page, &label, &format!("{} streams x {net} = {}/month", count(streams), cents(brings)));
    }
    Ok(())
}

/// The paper's check that the parts add up: with so many decimals at least, the sum with its own.
fn verification(share: &Waterfall, decimals: usize, sum: usize) -> String {
    let verdict = if share.adds_up() { "OK" } else { "WRONG" };
    let [net, kept, infra, gas] =
        [share.provider_net, share.facilitator_net, share.infra, share.gas].map(|part| money(part, decimals));
    format!("{net} + {kept} + {infra} + {gas} = {} {verdict}", money(share.paid, sum))
}
