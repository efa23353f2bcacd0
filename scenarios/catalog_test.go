package scenarios

import "testing"

func TestCatalogParses(t *testing.T) {
	for _, name := range Names() {
		s, err := LoadNamed(name)
		if err != nil {
			t.Fatalf("%s:\n%v", name, err)
		}
		if s.Name != name {
			t.Errorf("the file %s.yaml holds a scenario named %q", name, s.Name)
		}
		if len(s.Claims) == 0 {
			t.Errorf("%s tests no claim", name)
		}
	}
}
