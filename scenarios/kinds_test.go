package scenarios

import (
	"maps"
	"slices"
	"testing"
)

// Of every kind it is known whether copies of its machine can stand beside one
// another.
func TestKeeps(t *testing.T) {
	keeps := map[Kind]string{
		KindShop: KeepsNothing, KindMail: KeepsNothing, KindHAProxy: KeepsNothing, KindGateway: KeepsNothing,
		KindVarnish: KeepsNothing, KindWorker: KeepsNothing, KindLink: KeepsNothing,
		KindPostgres: KeepsData, KindValkey: KeepsData, KindNATS: KeepsQueue,
	}
	if !slices.Equal(slices.Sorted(maps.Keys(keeps)), slices.Sorted(maps.Keys(kinds))) {
		t.Errorf("this test knows the kinds %v, and there are %v: say what the others keep", slices.Sorted(maps.Keys(keeps)), kindNames())
	}
	for kind, want := range keeps {
		if got := kind.Keeps(); got != want {
			t.Errorf("%s keeps %q, want %q", kind, got, want)
		}
	}
	if got := Kind("etcd").Keeps(); got != KeepsData {
		t.Errorf("a kind of which nothing is known keeps %q", got)
	}
	machine := func(kinds ...Kind) (m Machine) {
		for _, k := range kinds {
			m.Processes = append(m.Processes, Process{Kind: k})
		}
		return m
	}
	for _, test := range []struct {
		machine Machine
		want    string
	}{
		{machine(KindShop, KindHAProxy), KeepsNothing},
		{machine(KindPostgres, KindShop, KindHAProxy), KeepsData},
		{machine(KindNATS, KindWorker), KeepsQueue},
		{machine(KindNATS, KindValkey), KeepsData},
	} {
		if got := test.machine.Keeps(); got != test.want {
			t.Errorf("%+v keeps %q, want %q", test.machine, got, test.want)
		}
	}
}
