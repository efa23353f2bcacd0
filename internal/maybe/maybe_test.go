// SPDX-License-Identifier: Apache-2.0

package maybe

import (
	"encoding/json"
	"math"
	"testing"
)

// figures has a field as the records have them.
type figures struct {
	A Number `json:"a,omitzero"`
	B Number `json:"b,omitzero"`
}

func TestJSON(t *testing.T) {
	for _, test := range []struct {
		figures figures
		text    string
	}{
		{figures{}, `{}`},
		{figures{A: Of(0)}, `{"a":0}`},
		{figures{A: Of(1.5), B: Of(600000)}, `{"a":1.5,"b":600000}`},
		{figures{B: Of(1 << 53)}, `{"b":9007199254740992}`},
	} {
		text, err := json.Marshal(test.figures)
		if err != nil || string(text) != test.text {
			t.Errorf("%+v is %s, error %v; want %s", test.figures, text, err, test.text)
		}
		var back figures
		if err := json.Unmarshal([]byte(test.text), &back); err != nil || back != test.figures {
			t.Errorf("%s is read as %+v, error %v; want %+v", test.text, back, err, test.figures)
		}
	}
}

func TestNullIsNotKnown(t *testing.T) {
	read := figures{A: Of(3)}
	if err := json.Unmarshal([]byte(`{"a":null,"b":0}`), &read); err != nil || read.A.Known() || read.B != Of(0) {
		t.Errorf("%+v, error %v", read, err)
	}
	if err := json.Unmarshal([]byte(`{"a":"3"}`), &read); err == nil {
		t.Errorf("a text is read as %v", read.A)
	}
}

func TestWhatIsComputedWithoutAFigureIsNotKnown(t *testing.T) {
	for _, n := range []Number{{}, Of(math.NaN()), Of(math.Inf(1)), Of(1).Plus(Number{}), Number{}.Plus(Of(1)), Number{}.Times(0), Number{}.Over(2), Of(1).Over(0), Of(0).Over(0)} {
		value, known := n.Get()
		if known || n.Known() || value != 0 || !math.IsNaN(n.OrNaN()) || n.String() != NotKnown {
			t.Errorf("%+v is known as %v", n, value)
		}
	}
	for want, n := range map[float64]Number{0: Of(0), 3: Of(1).Plus(Of(2)), 6: Of(4).Times(1.5), 0.5: Of(2).Over(4)} {
		value, known := n.Get()
		if !known || !n.Known() || value != want || n.OrNaN() != want {
			t.Errorf("%+v is %v, want %v", n, value, want)
		}
	}
	if text := Of(0.25).String(); text != "0.25" {
		t.Errorf("0.25 is %s", text)
	}
}
