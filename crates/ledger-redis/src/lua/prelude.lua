-- Shared by every script. The rules are those of tollwire-ledger's core; a property test keeps both equal.
--
-- Each script reads and checks everything before its first write: an error raised later would leave the earlier
-- writes in place. Numbers are doubles here, exact up to MAX, and written as plain digits.

local MAX = 9007199254740991
local REOPEN_WINDOW = 30000
local REVERSE_WINDOW = 30000
local ATTEMPTS_MAX = 16
local OUTGOING_ATTEMPTS_MAX = 32
local RECALL_FRESH = 2000
local RECALL_AGAIN = 1000
local TELL_EVERY = 3600000
-- The numbers of a session: those that every script needs, and then those that only money moves by.
local NUMBERS = {
  'bought', 'captured', 'refunded', 'expired', 'till', 'revision', 'recalled', 'frozen',
  'deposited', 'gas', 'refunds', 'returned', 'withheld', 'block', 'handed_units', 'handed_value', 'handed_fee',
  'handed_gas', 'handed_net',
}
local EVERYDAY = 8

local function corrupt(what)
  error({ err = 'CORRUPT ' .. what .. ' is not readable' })
end

local find, format, match = string.find, string.format, string.match

local function int(text, what)
  if type(text) ~= 'string' or text == '' or #text > 16 or find(text, '%D') then corrupt(what) end
  local number = tonumber(text)
  if number > MAX then corrupt(what) end
  return number
end

local function digits(number)
  return format('%.0f', number)
end

-- The caller's time, or, when it gives none, this server's.
local function time()
  if ARGV[1] ~= '' then return int(ARGV[1], 'now') end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local now = time()

local function deadline(millis)
  return math.min(now + millis, MAX)
end

local function fields(key)
  local flat = redis.call('HGETALL', key)
  local found = {}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return #flat > 0 and found or nil
end

-- Whether texts are whole numbers, all in one go: asking of each by itself is most of what a script would cost.
local function check_numbers(names, texts)
  for i = 1, #names do
    local text = texts[i]
    if not text or text == '' or #text > 16 then corrupt(names[i]) end
  end
  if find(table.concat(texts), '%D') then
    for i = 1, #names do int(texts[i], names[i]) end
  end
end

local function read_numbers(s, names, first, last)
  for i = first, last do
    local name = names[i]
    local number = tonumber(s.flat[s.at[name]])
    if number > MAX then corrupt(name) end
    s[name] = number
  end
end

-- A session as it stands now: holds that are over are listed, not counted. The numbers that only few scripts need are
-- checked, and left to `money_of`. `flat` is the row as it was read, names and values in turn, and follows `put`, `drop` and `sweep`; `at` says
-- where the value of a name is in it.
local function session_at(key)
  local flat = redis.call('HGETALL', key)
  local length = #flat
  if length == 0 then return nil end
  local at, holds, over, held, holding = {}, {}, {}, 0, 0
  for i = 1, length, 2 do
    local name = flat[i]
    at[name] = i + 1
    if find(name, 'h:', 1, true) == 1 then
      local units, till = match(flat[i + 1], '^(%d+) (%d+)$')
      units, till = int(units, 'hold'), int(till, 'hold')
      if till > now then
        holds[string.sub(name, 3)] = { units = units, till = till }
        held, holding = held + units, holding + 1
      else
        over[#over + 1] = name
      end
    end
  end
  local s = { key = key, flat = flat, at = at, puts = {}, holds = holds, over = over, held = held, holding = holding }
  local texts = {}
  for i = 1, #NUMBERS do texts[i] = flat[at[NUMBERS[i]]] or '' end
  check_numbers(NUMBERS, texts)
  read_numbers(s, NUMBERS, 1, EVERYDAY)
  local revoked, closed = flat[at.revoked], flat[at.closed]
  if revoked ~= '0' and revoked ~= '1' then corrupt('revoked') end
  if closed ~= '0' and closed ~= '1' then corrupt('closed') end
  if not (at.goods and at.head) then corrupt('session') end
  s.goods, s.closed, s.for_good = flat[at.goods], closed == '1', revoked == '1'
  -- Nothing may be served: revoked for good, or frozen for as long as the chain lacks a deposit.
  s.revoked = s.for_good or s.frozen > 0
  s.remaining = s.bought - (s.captured + s.held + s.refunded + s.expired)
  if s.remaining < 0 then corrupt('balance') end
  return s
end

-- The numbers of a session that only money moves by.
local function money_of(s)
  read_numbers(s, NUMBERS, EVERYDAY + 1, #NUMBERS)
end

-- Changes a field of a session's row; `save` writes.
local function put(s, name, value)
  local flat, i = s.flat, s.at[name]
  if not i then
    i = #flat + 2
    flat[i - 1], s.at[name] = name, i
  elseif flat[i] == value then
    return
  end
  flat[i] = value
  local puts = s.puts
  puts[#puts + 1] = name
  puts[#puts + 1] = value
end

-- Takes a field out of the row as it was read: the last one takes its place.
local function forget(s, name)
  local flat, at, i = s.flat, s.at, s.at[name]
  if not i then return false end
  local last = #flat
  at[flat[last - 1]] = i
  flat[i - 1], flat[i] = flat[last - 1], flat[last]
  flat[last - 1], flat[last], at[name] = nil, nil, nil
  return true
end

-- Removes a field of a session's row.
local function drop(s, name)
  if forget(s, name) then redis.call('HDEL', s.key, name) end
end

-- Writes what was `put`: from here on `flat` is the row.
local function save(s)
  if #s.puts > 0 then redis.call('HSET', s.key, unpack(s.puts)) end
  s.saved = true
end

local function stream_at(key, id)
  local text = redis.call('HGET', key, id)
  if not text then return nil end
  local posted, fence, first, posted_at, untold, told, reopened, reversed, live =
    match(text, '^(%d+) (%d+) (%d+) (%S+) (%d+) (%d+) ([01]) ([01]) (%S+)$')
  if not posted then corrupt('stream') end
  if posted_at ~= '-' then int(posted_at, 'stream') end
  return {
    posted = int(posted, 'stream'),
    fence = int(fence, 'stream'),
    first = int(first, 'stream'),
    posted_at = posted_at,
    untold = int(untold, 'stream'),
    told = int(told, 'stream'),
    reopened = reopened == '1',
    reversed = reversed == '1',
    live = live ~= '-' and int(live, 'stream') or 0,
  }
end

local function new_stream(fence)
  return {
    posted = 0, fence = fence, first = now, posted_at = '-', untold = 0, told = now, reopened = false,
    reversed = false, live = 0,
  }
end

local function save_stream(key, id, st)
  redis.call('HSET', key, id, format(
    '%.0f %.0f %.0f %s %.0f %.0f %s %s %s', st.posted, st.fence, st.first, st.posted_at, st.untold, st.told,
    st.reopened and '1' or '0', st.reversed and '1' or '0', st.live > 0 and digits(st.live) or '-'))
end

local function payment_at(key)
  local p = fields(key)
  if not p then return nil end
  if not (p.intent and p.head and p.terms and p.goods and p.plain and p.recorded) then corrupt('payment') end
  if p.gone ~= '0' and p.gone ~= '1' then corrupt('gone') end
  if p.fate ~= 'pending' and p.fate ~= 'credited' and p.fate ~= 'abandoned' then corrupt('fate') end
  p.count = int(p.attempts, 'attempts')
  return p
end

local function refund_at(key)
  local r = fields(key)
  if not r then return nil end
  if not (r.order and r.ordered) then corrupt('refund') end
  if r.fate ~= 'pending' and r.fate ~= 'paid' and r.fate ~= 'nothing' then corrupt('fate') end
  r.count = int(r.attempts, 'attempts')
  return r
end

-- A provider's account; one that does not exist has no payouts.
local function provider_at(key)
  local a = fields(key)
  if not a then return { exists = false, payouts = 0, gathering = false, gathered = 0 } end
  if a.gathering ~= '0' and a.gathering ~= '1' then corrupt('provider') end
  return {
    exists = true,
    payouts = int(a.payouts, 'payouts'),
    gathering = a.gathering == '1',
    gathered = int(a.gathered, 'gathered'),
  }
end

local function payout_at(key)
  local p = fields(key)
  if not p then return nil end
  if not (p.order and p.opened and p.sealed) then corrupt('payout') end
  if p.fate ~= 'gathering' and p.fate ~= 'pending' and p.fate ~= 'paid' then corrupt('fate') end
  p.count = int(p.attempts, 'attempts')
  p.gathered, p.parts = int(p.gathered, 'gathered'), int(p.parts, 'parts')
  return p
end

-- The answer to a command of an account: its name, and the payout as it stands.
local function payout_answer(name, key)
  return { name, redis.call('HGETALL', key) }
end

-- The journal can take a line, the set of live streams an entry: asked before the first write.
local function check_journal(key)
  redis.call('LLEN', key)
end

local function check_live(key)
  redis.call('ZCARD', key)
end

local function open_streams(key)
  return redis.call('ZCOUNT', key, '(' .. digits(now), '+inf')
end

-- Keeps the set of live streams as the stream says; entries that are over go.
local function save_live(key, id, st)
  if st.live > 0 then redis.call('ZADD', key, digits(st.live), id) else redis.call('ZREM', key, id) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', digits(now))
end

local function journal(key, kind, units, stream, payment)
  redis.call('RPUSH', key, table.concat({ digits(now), kind, digits(units), stream or '-', payment or '-' }, ' '))
end

-- Removes what is over. The first write of every script that writes to a session: a later write may use the same names.
local function sweep(s)
  for i = 1, #s.over, 1000 do
    redis.call('HDEL', s.key, unpack(s.over, i, math.min(i + 999, #s.over)))
  end
  for i = 1, #s.over do forget(s, s.over[i]) end
  s.over = {}
end

-- Answers that show how things stand; to the others the caller needs no rows.
local SHOWS = { done = true, replayed = true, held = true }

-- Captures what a stream was served beyond what it was posted: from its hold, or from what remains; the rest is forgone.
-- Changes the tables alone; `save_served` writes. Returns how much was forgone and whether anything was used.
local function served(s, id, st, used)
  local more = math.max(0, math.min(used, MAX) - st.posted)
  if more == 0 then return 0, false end
  local hold = s.holds[id]
  local own = hold and hold.units or 0
  if own > more then
    hold.units = own - more
  elseif hold then
    s.holds[id] = nil
    s.holding = s.holding - 1
  end
  local captured = math.min(own, more)
  s.held = s.held - captured
  local late = math.min(more - captured, s.remaining)
  s.remaining = s.remaining - late
  captured = captured + late
  s.captured = s.captured + captured
  st.posted = st.posted + more
  if st.posted_at == '-' then st.posted_at = digits(now) end
  st.untold = st.untold + captured
  return more - captured, true
end

-- Takes a stream's hold back into what remains.
local function unhold(s, id)
  local hold = s.holds[id]
  if not hold then return false end
  s.holds[id] = nil
  s.holding, s.held, s.remaining = s.holding - 1, s.held - hold.units, s.remaining + hold.units
  return true
end

-- Tells the journal what was captured since it was told last.
local function tell(key, id, st)
  if st.untold > 0 then journal(key, 'capture', st.untold, id) end
  st.untold, st.told = 0, now
end

-- The answer: its name, the time, how the session and the payment (or refund) stand, and up to three numbers.
local function answer(name, s, payment_key, first, second, third)
  if s then sweep(s) end
  local session = s and SHOWS[name] and (s.saved and s.flat or redis.call('HGETALL', s.key)) or {}
  local payment = payment_key and redis.call('HGETALL', payment_key) or {}
  return { name, digits(now), session, payment, digits(first or 0), digits(second or 0), digits(third or 0) }
end

-- The answer to a stream that cannot have what it needs. What others hold is recalled.
local function short(s, id)
  local elsewhere = s.holding > (s.holds[id] and 1 or 0)
  sweep(s)
  if elsewhere and (s.recalled == 0 or now - s.recalled >= RECALL_AGAIN) then
    redis.call('HSET', s.key, 'recalled', digits(now))
  end
  return answer('exhausted', s, nil, elsewhere and 1 or 0)
end

-- The answer to a stream that got what it needs.
local function held_answer(s, st)
  local since = st.posted_at == '-' and 0 or math.max(0, now - tonumber(st.posted_at))
  return answer('held', s, nil, st.fence, st.posted, since)
end
