package window

import "testing"

// While the waker runs, any number of elements costs it one more turn.
func TestWakeUpsCoalesce(t *testing.T) {
	w := New[int](Config{})
	for range inline + 1 {
		w.Wait(0)
	}
	w.signal.asked.Store(1) // as if the waker were closing the call before
	for v := range 100 {
		if _, err := w.Append(v); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.signal.asked.Load(); n != 2 {
		t.Errorf("100 elements asked for %d turns of the waker, want 1 more than the one at work", n-1)
	}
}
