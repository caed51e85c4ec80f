//! The one flow: quote, pay, open, admit, revoke; the feed registry; the facilitator API as a tower service.
