// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"

	"headroom/targets/shop/cache"
	"headroom/targets/shop/email"
	"headroom/targets/shop/store"
)

// bodyLimit bounds what a client may send, in bytes.
const bodyLimit = 64 << 10

// confirmer sends the confirmation of an order. Admit comes first and may
// refuse; then either Confirm, or Withdraw when there is no order.
type confirmer interface {
	Admit() error
	Withdraw()
	Confirm(ctx context.Context, m email.Message) error
}

// api answers the routes of the shop.
type api struct {
	reader    store.Reader
	writer    store.Writer
	searcher  store.Searcher
	confirmer confirmer
	filler    *cache.Filler // nil without a cache
	pools     []*pgxpool.Pool
	behind    []unfinished // what goes on after answers
	plant     string       // a planted difference
}

func (a *api) getUser(w http.ResponseWriter, r *http.Request) error {
	id, err := parseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answerPage(w, r, store.Key{Kind: store.PageUser, ID: id})
}

func (a *api) putUser(w http.ResponseWriter, r *http.Request) error {
	id, err := parseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	var edit store.UserEdit
	if err := readBody(w, r, &edit); err != nil {
		return err
	}
	if edit.Name == "" {
		return badRequest("a user needs a name")
	}
	user, err := a.writer.UpdateUser(r.Context(), id, edit)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, user)
}

func (a *api) getFeed(w http.ResponseWriter, r *http.Request) error {
	return a.answerPage(w, r, store.Key{Kind: store.PageFeed})
}

func (a *api) getPost(w http.ResponseWriter, r *http.Request) error {
	id, err := parseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answerPage(w, r, store.Key{Kind: store.PagePost, ID: id})
}

func (a *api) createPost(w http.ResponseWriter, r *http.Request) error {
	var post store.NewPost
	if err := readBody(w, r, &post); err != nil {
		return err
	}
	if post.Author < 1 || post.Title == "" {
		return badRequest("a post needs an author, the id of a user, and a title")
	}
	created, err := a.writer.CreatePost(r.Context(), post)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, created)
}

func (a *api) getOrders(w http.ResponseWriter, r *http.Request) error {
	user, err := parseID(parameter(r, "user"))
	if err != nil {
		return err
	}
	return a.answerPage(w, r, store.Key{Kind: store.PageOrders, ID: user})
}

func (a *api) createOrder(w http.ResponseWriter, r *http.Request) error {
	order, err := readOrder(w, r)
	if err != nil {
		return err
	}
	created, err := a.writer.CreateOrder(r.Context(), order)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, created)
}

// createGift books an order for each of two users, or none.
func (a *api) createGift(w http.ResponseWriter, r *http.Request) error {
	var gift store.NewGift
	if err := readBody(w, r, &gift); err != nil {
		return err
	}
	if gift.From < 1 || gift.To < 1 || gift.From == gift.To || gift.Item == "" || gift.AmountCents < 1 {
		return badRequest("a gift needs from and to (the ids of two users), an item and an amount_cents from 1")
	}
	placed, err := a.writer.Gift(r.Context(), gift)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, struct {
		Orders [2]store.Order `json:"orders"`
	}{placed})
}

// checkout takes its place in the e-mail queue before it places the order; see
// email.Background.
func (a *api) checkout(w http.ResponseWriter, r *http.Request) error {
	order, err := readOrder(w, r)
	if err != nil {
		return err
	}
	if err := a.confirmer.Admit(); err != nil {
		return err
	}
	placed, address, err := a.writer.Checkout(r.Context(), order)
	if err != nil {
		a.confirmer.Withdraw()
		return err
	}
	text := "Thank you for your order " + strconv.FormatInt(placed.ID, 10) + ": " + placed.Item
	if err := a.confirmer.Confirm(r.Context(), email.Message{To: address, User: order.User, Order: placed.ID, Text: text}); err != nil {
		return err
	}
	return answer(w, http.StatusCreated, placed)
}

func (a *api) search(w http.ResponseWriter, r *http.Request) error {
	word := parameter(r, "q")
	if word == "" || len(word) > 100 {
		return badRequest("?q= needs a word of at most 100 bytes")
	}
	found, err := a.searcher.Search(r.Context(), word)
	if err != nil {
		return err
	}
	w.Header()["Cache-Control"] = sharedBriefly
	return answer(w, http.StatusOK, struct {
		Query string        `json:"q"`
		Posts []store.Found `json:"posts"`
	}{word, found})
}

// Who may keep an answer. What everybody sees alike, an edge may keep for
// moments: at 2 s it hardly shows, and a hot page is asked for once in that
// time. The rest, errors too, belongs to one user, or to one moment.
var (
	sharedBriefly = []string{"public, max-age=2"}
	keptByNobody  = []string{"private, no-store"}
)

func (a *api) answerPage(w http.ResponseWriter, r *http.Request, k store.Key) error {
	found, err := a.reader.Read(r.Context(), k)
	if err != nil {
		return err
	}
	if k.Kind == store.PageFeed || k.Kind == store.PagePost {
		w.Header()["Cache-Control"] = sharedBriefly
	}
	if found.Cache != "" {
		w.Header().Set("X-Cache", found.Cache)
	}
	write(w, http.StatusOK, found.JSON)
	return nil
}

func parseID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, badRequest("an id is a whole number from 1")
	}
	return id, nil
}

// parameter is a query parameter, "" when it is missing or the query is broken.
func parameter(r *http.Request, name string) string {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ""
	}
	return values.Get(name)
}

func readOrder(w http.ResponseWriter, r *http.Request) (store.NewOrder, error) {
	var order store.NewOrder
	if err := readBody(w, r, &order); err != nil {
		return order, err
	}
	if order.User < 1 || order.Item == "" || order.AmountCents < 1 {
		return order, badRequest("an order needs a user (an id), an item and an amount_cents from 1")
	}
	return order, nil
}

func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(into); err != nil {
		return badRequest("the body is not the JSON this route takes: " + err.Error())
	}
	return nil
}

func answer(w http.ResponseWriter, status int, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	write(w, status, text)
	return nil
}

// write ignores a failed write: the client has gone, and there is nobody left
// to tell.
func write(w http.ResponseWriter, status int, text []byte) {
	header := w.Header()
	header["Content-Type"] = []string{"application/json"}
	if header["Cache-Control"] == nil {
		header["Cache-Control"] = keptByNobody
	}
	header["Content-Length"] = []string{strconv.Itoa(len(text))}
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
