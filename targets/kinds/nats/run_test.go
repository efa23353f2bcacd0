// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"encoding/json"
	"reflect"
	"testing"

	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

func TestConfig(t *testing.T) {
	for address, want := range map[string]string{"": "0.0.0.0", "127.64.0.9": "127.64.0.9"} {
		p := spec.Process{Kind: "nats", Address: address, Port: 4222}
		n := newServer(p, machine.Host{Dir: "/data/nats"})
		text, err := configOf(p, n.monitor(), "/data/nats/streams")
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Host, HTTP string
			Port       int
			JetStream  struct {
				Dir string `json:"store_dir"`
			}
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		near := address
		if near == "" {
			near = "127.0.0.1" // nobody else may ask it
		}
		if got.Host != want || got.Port != 4222 || got.HTTP != near+":4223" || got.JetStream.Dir != "/data/nats/streams" {
			t.Errorf("%s", text)
		}
	}
}

// sampleJSZ is what the server answers, less most of it.
const sampleJSZ = `{"server_id": "N", "memory": 0, "streams": 2, "account_details": [{"name": "$G", "stream_detail": [
  {"name": "JOBS", "state": {"messages": 5, "bytes": 500, "first_seq": 96, "last_seq": 100, "consumer_count": 2}, "consumer_detail": [
    {"name": "mail", "delivered": {"consumer_seq": 99, "stream_seq": 97}, "ack_floor": {"consumer_seq": 95, "stream_seq": 93},
     "num_ack_pending": 3, "num_redelivered": 1, "num_waiting": 1, "num_pending": 3},
    {"name": "image", "delivered": {"consumer_seq": 100, "stream_seq": 100}, "ack_floor": {"consumer_seq": 100, "stream_seq": 100},
     "num_ack_pending": 0, "num_redelivered": 0, "num_waiting": 1, "num_pending": 0}]},
  {"name": "EVENTS", "state": {"messages": 1, "bytes": 10, "first_seq": 1, "last_seq": 1}}]}]}`

func TestParseJSZ(t *testing.T) {
	none := map[string]float64{
		"streams": 0, "messages": 0, "bytes": 0, "published_total": 0,
		"consumers": 0, "pending": 0, "ack_pending": 0, "redelivered": 0, "delivered_total": 0, "acked_total": 0,
	}
	some := map[string]float64{
		"streams": 2, "messages": 6, "bytes": 510, "published_total": 101,
		"consumers": 2, "pending": 3, "ack_pending": 3, "redelivered": 1, "delivered_total": 199, "acked_total": 195,
	}
	for text, want := range map[string]map[string]float64{`{"streams": 0}`: none, sampleJSZ: some} {
		if got, err := parseJSZ([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	for _, c := range Kind().Facts.Counters { // what the kind says that it counts
		name := c.SourceKey()
		if _, told := some[name]; !told {
			t.Errorf("%s is not among %v", name, some)
		}
	}
	for _, bad := range []string{"", "null", "[]", `{"account_details": [{"stream_detail": [{"state": {"messages": "5"}}]}]}`} {
		if got, err := parseJSZ([]byte(bad)); err == nil {
			t.Errorf("%q gives %v without an error", bad, got)
		}
	}
}

func FuzzParseJSZ(f *testing.F) {
	f.Add([]byte(sampleJSZ))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if counts, err := parseJSZ(text); err == nil && len(counts) != 10 {
			t.Errorf("%q gives %v", text, counts)
		}
	})
}
