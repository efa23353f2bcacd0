// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"encoding/json"

	"headroom/targets/shop/store"
)

// pages renders what the store finds as the JSON that clients get.
type pages struct{ store store.Finder }

// Read implements store.Reader.
func (p pages) Read(ctx context.Context, k store.Key) (store.Page, error) {
	found, err := p.store.Find(ctx, k)
	if err != nil {
		return store.Page{}, err
	}
	text, err := json.Marshal(found)
	return store.Page{JSON: text}, err
}
