// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"headroom/targets/machine/spec"
)

// The observer is a command of the image, which says what it lacks.
func TestObserverSaysWhatItLacks(t *testing.T) {
	for text, want := range map[string]string{
		`{"nonce":"n"}`: spec.EnvObserver + ": has no machine to answer for",
		`{`:             spec.EnvObserver + ": unexpected EOF",
	} {
		t.Setenv(spec.EnvObserver, text)
		if code, _, stderr := headroom(t.Context(), "observer"); code != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d: %s, want %q", text, code, stderr, want)
		}
	}
}
