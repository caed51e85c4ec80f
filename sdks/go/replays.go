package tollwire

import "sync"

// used is what admits once: an opening of a stream, or a proof.
type used interface {
	opening | proof
}

// opening is one opening of one stream. Agents choose stream ids, so they mean something only within a session.
type opening struct {
	session, stream string
	fence           int64
}

// replays remembers what was used for at least as long as it would be good: two generations that change places every
// periodSecs, the longest time from a first acceptance to its end; each holds at most max. When one is full, uses are
// refused rather than forgotten.
type replays[T used] struct {
	periodSecs int64
	max        int

	mu         sync.Mutex
	began      int64
	young, old map[T]struct{}
}

// first says whether this is the first use; Busy when memory is full.
func (r *replays[T]) first(used T, now int64) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	_, young := r.young[used]
	_, old := r.old[used]
	if young || old {
		return false, nil
	}
	if len(r.young) >= r.max {
		return false, refuse(Busy)
	}
	r.young[used] = struct{}{}
	return true, nil
}

func (r *replays[T]) turn(now int64) {
	age := now - r.began
	if r.young != nil && age < r.periodSecs {
		return
	}
	r.old = nil
	if age < 2*r.periodSecs {
		r.old = r.young
	}
	r.young = map[T]struct{}{}
	r.began = now
}
