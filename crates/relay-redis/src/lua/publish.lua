-- Says something on a channel, and how many hear it there: in a cluster, where the channel's slot is.
-- KEYS: channel. ARGV: what is said.
return redis.call('PUBLISH', KEYS[1], ARGV[1])
