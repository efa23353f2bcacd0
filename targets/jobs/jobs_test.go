// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"encoding/json"
	"reflect"
	"testing"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"order":1,"user":2,"email":"a@b","text":"t","publisher":"p","seq":3}`))
	f.Add([]byte(`{"order":0}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := Parse(data)
		if err != nil {
			return
		}
		if j.Order < 1 || j.Seq < 1 || j.Publisher == "" {
			t.Fatalf("%q gives %+v", data, j)
		}
		text, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(text); err != nil || !reflect.DeepEqual(again, j) {
			t.Errorf("%+v comes back as %+v, %v", j, again, err)
		}
	})
}

func TestNames(t *testing.T) {
	if Mail.Subject() != "jobs.mail" || Image.ID(42) != "image-42" {
		t.Errorf("%s, %s", Mail.Subject(), Image.ID(42))
	}
}
