// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const assetBytes = 8 << 10

// serveAsset answers with bytes that depend on the name alone, so they may be
// cached for ever: by browsers, and by the edges of scenario phase6.
func serveAsset(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if len(name) > 64 || !isWord(name) {
		return badRequest("an asset's name has at most 64 letters, digits, dots, dashes and underscores")
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash never fails
	header := w.Header()
	header.Set("Content-Type", "text/javascript; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("ETag", `"`+strconv.FormatUint(h.Sum64(), 16)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(assetContent(name, h.Sum64())))
	return nil
}

// assetContent is 8 KiB that begin with the name, so that a content check can
// tell one asset from another.
func assetContent(name string, hash uint64) []byte {
	b := make([]byte, 0, assetBytes+32)
	b = append(b, "/* asset "+name+" */\n"...)
	for random := rand.NewPCG(hash, hash); len(b) < assetBytes; {
		b = strconv.AppendUint(b, random.Uint64(), 36)
		b = append(b, '\n')
	}
	return b[:assetBytes]
}
