// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"headroom/targets/valkeypool"
)

// sessionTTL is how long a session lasts after its login.
const sessionTTL = 30 * time.Minute

// admission is what the sessions' store says to one request.
type admission struct {
	created bool          // the session is new: a login
	wait    time.Duration // until there is room again; 0: admitted
}

// limiter knows sessions, and admits at most limit requests of each in a
// window. Sessions and rates are in Valkey, so that any gateway can answer any
// user. One script does all of it: one round trip, and nothing comes between
// its steps.
//
// Gives: one user can't take what all share. Costs: a round trip to Valkey before
// every request of a session. When Valkey is away, every request passes unlimited,
// because a shop that is too open is better than a closed one; limiter_errors_total
// counts such requests. Requests without a session are not limited at all. To limit
// them, something would have to stand for a user. An address does not, because all
// users come through the same edge. Measured by scenario final (after), setting
// limiter.
type limiter struct {
	cache  *valkeypool.Pool
	script *redis.Script
	limit  int
	window time.Duration
}

func newLimiter(cache *valkeypool.Pool, c Config) *limiter {
	scripts := map[string]string{"sliding": sliding, "fixed": fixed, "none": unlimited}
	return &limiter{cache: cache, script: redis.NewScript(2, session+scripts[c.Limiter]), limit: c.Limit, window: c.Window}
}

// admit asks for one request of a session.
func (l *limiter) admit(ctx context.Context, id string) (admission, error) {
	answer, err := redis.Int64s(l.cache.Run(ctx, l.script, "gw:session:"+id, "gw:rate:"+id,
		sessionTTL.Milliseconds(), l.limit, l.window.Microseconds()))
	if err != nil {
		return admission{}, fmt.Errorf("session %s: %w", id, err)
	}
	if len(answer) != 2 {
		return admission{}, fmt.Errorf("session %s: the script answers %v", id, answer)
	}
	return admission{created: answer[0] == 1, wait: time.Duration(answer[1]) * time.Microsecond}, nil
}

// session makes the session where there is none, and reads the arguments that
// the limiters after it need. Every script answers {created, microseconds to
// wait}. Times are Valkey's own: gateways' clocks differ.
const session = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window = tonumber(ARGV[2]), tonumber(ARGV[3])
local created = 0
if redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX', 'PX', ARGV[1]) then created = 1 end
`

// sliding is exact: no window, wherever it begins, holds more than limit
// admitted requests. It keeps the times of the last limit of them in a ring
// (a list): there is room when the oldest is a window old. Memory is O(limit)
// for each session that was active in the last window; each step is O(1).
// A refused request takes no room. A clock that steps back stands still instead.
const sliding = `
local last = redis.call('LINDEX', KEYS[2], -1)
if last and tonumber(last) > now then now = tonumber(last) end
if redis.call('LLEN', KEYS[2]) >= limit then
  local free = tonumber(redis.call('LINDEX', KEYS[2], 0)) + window
  if free > now then return {created, free - now} end
  redis.call('LPOP', KEYS[2])
end
redis.call('RPUSH', KEYS[2], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[2], math.ceil(window / 1000) + 1)
return {created, 0}`

// fixed counts in windows that begin with a session's first request: INCR, then
// EXPIRE. The usual sample sends the two commands apart. When the program dies
// between them, the key never expires and the user is locked out. In a script they
// are one step. The fault of fixed windows stays: limit requests at the end of one
// window and limit at the begin of the next are all admitted. That is twice the limit
// within a moment.
const fixed = `
local n = redis.call('INCR', KEYS[2])
if n == 1 then redis.call('PEXPIRE', KEYS[2], math.ceil(window / 1000)) end
if n <= limit then return {created, 0} end
return {created, math.max(1, redis.call('PTTL', KEYS[2])) * 1000}`

// unlimited only knows sessions.
const unlimited = `return {created, 0}`
