// SPDX-License-Identifier: Apache-2.0

// Package shards spreads the shop's rows over several databases. Hash and the Routers
// say which database holds a row, maker.go makes ids without asking a database, and
// Store puts a page together from several.
package shards

import (
	"hash/crc32"
	"strconv"
)

// Hash is the shard, 0..n-1, of a key: a pure function that ByHash, the
// seeder and the answer to "where is this key's home?" share. It spreads any keys
// evenly, and moves nearly all of them when n changes.
func Hash(key int64, n int) int {
	return int(crc32.ChecksumIEEE(strconv.AppendInt(nil, key, 10)) % uint32(n))
}
