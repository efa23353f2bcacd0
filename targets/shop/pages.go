package shop

import (
	"context"
	"encoding/json"
	"fmt"
)

// pages renders what the database holds as the JSON that clients get.
type pages struct{ store *postgres }

func (p pages) read(ctx context.Context, k key) (page, error) {
	var content any
	var err error
	switch k.kind {
	case pageUser:
		content, err = p.store.user(ctx, k.id)
	case pagePost:
		content, err = p.store.post(ctx, k.id)
	case pageFeed:
		var posts []Post
		posts, err = p.store.feed(ctx, p.store.pool)
		content = struct {
			Posts []Post `json:"posts"`
		}{posts}
	case pageOrders:
		var orders []Order
		orders, err = p.store.orders(ctx, p.store.pool, k.id)
		content = struct {
			User   int64   `json:"user"`
			Orders []Order `json:"orders"`
		}{k.id, orders}
	default:
		return page{}, fmt.Errorf("no page of kind %q", k.kind)
	}
	if err != nil {
		return page{}, err
	}
	text, err := json.Marshal(content)
	return page{json: text}, err
}
