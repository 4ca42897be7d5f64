package streams

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
)

// A subscription looks at the window twice before it waits: whether the subject has
// ended, and what can be read. Wherever between these looks the last value and the
// end are published, the subscriber gets the value.
func TestSubjectLastValueBeforeComplete(t *testing.T) {
	for look := 1; look <= 6; look++ {
		t.Run(fmt.Sprint("after look ", look), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s Subject[string]
				looks := 0
				s.looked = func() {
					if looks++; looks == look {
						if err := s.Next("last"); err != nil {
							t.Errorf("Next = %v", err)
						}
						s.Complete()
					}
				}
				var got []string
				done := make(chan error)
				go func() {
					done <- s.Observable().Run(t.Context(), func(v string) bool { got = append(got, v); return true })
				}()
				synctest.Wait() // two looks, and the subscriber waits
				want := []string{"last"}
				if look > 2 {
					want = []string{"first", "last"}
					if err := s.Next("first"); err != nil {
						t.Errorf("Next = %v", err)
					}
				}
				if err := <-done; err != nil || !slices.Equal(got, want) {
					t.Errorf("the subscriber got %q, %v; want %q, nil", got, err, want)
				}
			})
		})
	}
}
