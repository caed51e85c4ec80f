//! Where this node hears what is said to all of them, so that nothing has to be said that it alone would hear.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The channels that are this node's alone, of all who listen over one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ears(Arc<Mutex<Vec<Arc<str>>>>);

/// A channel that is listened to as long as this lives.
pub(crate) struct Ear {
    ears: Ears,
    channel: Arc<str>,
}

impl Ears {
    fn all(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another channel. It is listened to beside that of all nodes, by one subscription to both, or by none.
    pub(crate) fn open(&self, channel: String) -> Ear {
        let channel: Arc<str> = channel.into();
        self.all().push(Arc::clone(&channel));
        Ear { ears: self.clone(), channel }
    }

    /// The one channel. None if there are several: they have to hear each other.
    pub(crate) fn only(&self) -> Option<Arc<str>> {
        match self.all().as_slice() {
            [channel] => Some(Arc::clone(channel)),
            _ => None,
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut all = self.ears.all();
        if let Some(at) = all.iter().position(|channel| Arc::ptr_eq(channel, &self.channel)) {
            all.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_known_and_several_are_not() {
        let ears = Ears::default();
        assert_eq!(ears.only(), None);
        let one = ears.open("a".into());
        assert_eq!(ears.only().as_deref(), Some("a"));
        let other = ears.clone().open("b".into());
        assert_eq!(ears.only(), None);
        drop(one);
        assert_eq!(ears.only().as_deref(), Some("b"));
        drop(other);
        assert_eq!(ears.only(), None);
    }
}
