//! Shell completions and manual pages of a command, made from its own definition.

use std::io::{self, Write as _};
use std::path::Path;

pub use clap_complete::Shell;

/// Prints what a shell needs to complete a command.
pub fn print_completions(shell: Shell, mut command: clap::Command) -> io::Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    io::stdout().write_all(&script)
}

/// Writes the manual pages of a command and of those below it into a folder, which is made if it is missing.
pub fn write_pages(command: clap::Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command, folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new("sell").about("Sells").subcommand(
            Command::new("keys").about("Keys").subcommand(Command::new("new").about("Makes one")),
        );
        write_pages(command, &folder.path().join("man")).unwrap();
        for (page, said) in [("sell.1", "Sells"), ("sell-keys.1", "Keys"), ("sell-keys-new.1", "Makes one")] {
            let text = std::fs::read_to_string(folder.path().join("man").join(page)).unwrap();
            assert!(text.contains(said), "{page}: {text}");
        }
    }
}
