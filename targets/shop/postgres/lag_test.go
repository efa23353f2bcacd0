// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"headroom/targets/machine/spec"
)

// answers is a querier whose every answer is one row of these values.
type answers struct {
	values []any
	err    error
}

func (a *answers) Query(context.Context, string, ...any) (pgx.Rows, error) {
	if a.err != nil {
		return nil, a.err
	}
	return &answerRows{fakeRows{left: 1}, a.values}, nil
}

type answerRows struct {
	fakeRows
	values []any
}

func (r *answerRows) Scan(into ...any) error {
	for i, v := range r.values {
		switch to := into[i].(type) {
		case *bool:
			*to = v.(bool)
		case *int64:
			*to = v.(int64)
		default:
			return errors.New("no such type here")
		}
	}
	return nil
}

func TestLagMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		primary, replica := &answers{}, &answers{}
		m := &lagMeter{primary: primary, replica: replica}
		for i, step := range []struct {
			primary, replayed int64
			behind            time.Duration
		}{
			{100, 100, 0},           // idle
			{900, 100, 0},           // all that was there at the last look is replayed
			{900, 100, time.Second}, // 900 is owed since the look before
			{950, 500, 2 * time.Second},
			{2000, 900, 0}, // paid; 2000 is owed from now on
			{2000, 1999, time.Second},
			{2000, 2000, 0},
		} {
			primary.values, replica.values = []any{step.primary}, []any{true, step.replayed}
			if got, err := m.behind(t.Context()); err != nil || got != step.behind {
				t.Errorf("look %d: %v behind, %v, want %v", i, got, err, step.behind)
			}
			time.Sleep(time.Second) // fake time, to the next look
		}
		primary.err = errBroken
		if got, err := m.behind(t.Context()); err != nil || got != 0 {
			t.Errorf("primary away: %v, %v, want a replica in order", got, err)
		}
		replica.values = []any{false, int64(2000)}
		if _, err := m.behind(t.Context()); !errors.Is(err, errCutOff) {
			t.Errorf("cut off: %v", err)
		}
		replica.err = errBroken
		if _, err := m.behind(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("replica away: %v", err)
		}
	})
}

// recorder keeps what its database is asked.
type recorder struct {
	answers
	asked []string
}

func (r *recorder) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	r.asked = append(r.asked, sql)
	return r.answers.Query(ctx, sql, args...)
}

// What the shop asks by itself bears the mark, behind its first word: no count
// takes it for a request's.
func TestUnaskedStatementsAreMarked(t *testing.T) {
	primary, replica := &recorder{answers: answers{values: []any{int64(7)}}}, &recorder{answers: answers{values: []any{true, int64(7)}}}
	if _, err := (&lagMeter{primary: primary, replica: replica}).behind(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := append(primary.asked, replica.asked...)
	if len(asked) != 2 {
		t.Fatalf("asked were %q", asked)
	}
	for _, sql := range asked {
		if !strings.HasPrefix(sql, "SELECT "+spec.UnaskedMark+" ") {
			t.Errorf("%s: a count takes this for a request's", sql)
		}
	}
}
