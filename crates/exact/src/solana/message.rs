//! What a transaction says: accounts, blockhash, instructions, in Solana's two published forms.

use super::Address;
use super::reader::Reader;

/// The largest transaction that the network carries, in bytes.
pub const TRANSACTION_BYTES_MAX: usize = 1_232;

/// A message, read and found well-formed. Who signed it is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How many accounts, from the first on, must have signed; at least 1.
    pub signers: usize,
    /// Of those, how many at their end are only read.
    pub readonly_signers: usize,
    /// Of the others, how many at their end are only read.
    pub readonly_others: usize,
    /// The accounts it names itself, each once; the first pays the fee.
    pub accounts: Vec<Address>,
    /// The blockhash it lives by.
    pub blockhash: [u8; 32],
    /// What is called, in order.
    pub instructions: Vec<Instruction>,
    /// True if it names further accounts by lookup tables, which only the chain can resolve.
    pub looks_up: bool,
}

/// One call. Its accounts are positions in the message's; with lookup tables they may lie beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The program's position; never 0, and always within the message's own accounts.
    pub program: u8,
    /// Positions of the accounts it is given.
    pub accounts: Vec<u8>,
    /// What it is told.
    pub data: Vec<u8>,
}

impl Message {
    /// Reads a legacy or version 0 message that fills `bytes` exactly. `None` if it is anything else, or Solana would
    /// refuse its form.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return None;
        }
        let versioned = match bytes.first()? {
            0x80 => true,
            legacy if *legacy < 0x80 => false,
            _another_version => return None,
        };
        let mut reader = Reader::new(bytes);
        if versioned {
            reader.byte()?;
        }
        let [signers, readonly_signers, readonly_others] = reader.array::<3>()?.map(usize::from);
        let count = reader.length()?;
        let accounts = (0..count).map(|_| reader.array().map(Address::new)).collect::<Option<Vec<_>>>()?;
        let blockhash = reader.array()?;
        let count = reader.length()?;
        let instructions = (0..count).map(|_| Instruction::read(&mut reader)).collect::<Option<Vec<_>>>()?;
        let lookups = if versioned { read_lookups(&mut reader)? } else { 0 };
        let message = Self {
            signers,
            readonly_signers,
            readonly_others,
            accounts,
            blockhash,
            instructions,
            looks_up: lookups > 0,
        };
        (reader.rest().is_empty() && message.is_sane()).then_some(message)
    }

    /// The account at a position, if the message names it itself.
    pub fn account(&self, position: u8) -> Option<&Address> {
        self.accounts.get(usize::from(position))
    }

    /// The program that an instruction calls.
    pub fn program(&self, instruction: &Instruction) -> Option<&Address> {
        self.account(instruction.program)
    }

    /// What Solana demands of every message before it looks at signatures.
    fn is_sane(&self) -> bool {
        let count = self.accounts.len();
        let within = |position: &u8| self.looks_up || usize::from(*position) < count;
        let mut sorted = self.accounts.clone();
        sorted.sort_unstable();
        count <= 256
            && self.readonly_signers < self.signers
            && self.signers.saturating_add(self.readonly_others) <= count
            && sorted.windows(2).all(|pair| pair.first() != pair.last())
            && self.instructions.iter().all(|instruction| {
                let program = usize::from(instruction.program);
                program != 0 && program < count && instruction.accounts.iter().all(within)
            })
    }
}

impl Instruction {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let program = reader.byte()?;
        let count = reader.length()?;
        let accounts = reader.take(count)?.to_vec();
        let count = reader.length()?;
        Some(Self { program, accounts, data: reader.take(count)?.to_vec() })
    }
}

/// How many lookup tables there are.
fn read_lookups(reader: &mut Reader<'_>) -> Option<usize> {
    let count = reader.length()?;
    for _ in 0..count {
        reader.array::<32>()?;
        for _ in 0..2 {
            let positions = reader.length()?;
            reader.take(positions)?;
        }
    }
    Some(count)
}
