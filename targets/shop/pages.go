// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"encoding/json"
)

// pages renders what the store finds as the JSON that clients get.
type pages struct{ store finder }

func (p pages) read(ctx context.Context, k key) (page, error) {
	found, err := p.store.find(ctx, k)
	if err != nil {
		return page{}, err
	}
	text, err := json.Marshal(found)
	return page{json: text}, err
}

// feedPage and ordersPage are the pages that hold more than one thing.
type feedPage struct {
	Posts []Post `json:"posts"`
}

type ordersPage struct {
	User   int64   `json:"user"`
	Orders []Order `json:"orders"`
}
