//! The exact scheme's pure half: EIP-3009 digest, sign, recover and static checks; no I/O.
