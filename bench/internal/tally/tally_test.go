package tally

import "testing"

func TestTally(t *testing.T) {
	gap := func(n uint64) *uint64 { return &n }
	for _, tt := range []struct {
		name  string
		first uint64
		give  []any // a number is an event, a pointer a gap
		last  uint64
		want  Counts
	}{
		{"all in order", 1, []any{1, 2, 3}, 3, Counts{Events: 3}},
		{"any beginning", 0, []any{7, 8}, 8, Counts{Events: 2}},
		{"the first is missing", 1, []any{2, 3}, 3, Counts{Events: 2, Lost: 1}},
		{"one in the middle is missing", 1, []any{1, 3}, 3, Counts{Events: 2, Lost: 1}},
		{"the last are missing", 1, []any{1}, 3, Counts{Events: 1, Lost: 2}},
		{"nothing came", 1, nil, 3, Counts{Lost: 3}},
		{"one came twice", 1, []any{1, 2, 2, 3}, 3, Counts{Events: 4, Twice: 1}},
		{"two came in the wrong order", 1, []any{1, 3, 2, 4}, 4, Counts{Events: 4, Misordered: 1}},
		{"late, and then again", 1, []any{1, 3, 2, 2}, 3, Counts{Events: 4, Misordered: 1, Twice: 1}},
		{"one of a hole came late", 1, []any{1, 6, 4}, 6, Counts{Events: 3, Lost: 3, Misordered: 1}},
		{"a gap that was told", 1, []any{1, gap(3), 5}, 5, Counts{Events: 2, Gaps: 1, Told: 3}},
		{"a gap of unknown size", 1, []any{1, (*uint64)(nil), 5}, 5, Counts{Events: 2, Gaps: 1, Told: 3}},
		{"a gap that tells of too little", 1, []any{1, gap(2), 5}, 5, Counts{Events: 2, Gaps: 1, Told: 2, Lost: 1}},
		{"a gap that tells of too much", 1, []any{1, gap(4), 5}, 5, Counts{Events: 2, Gaps: 1, Told: 3, WrongGaps: 1}},
		{"a gap where nothing is missing", 1, []any{1, gap(1), 2}, 2, Counts{Events: 2, Gaps: 1, WrongGaps: 1}},
		{"a gap does not excuse the next hole", 1, []any{1, gap(1), 3, 5}, 5, Counts{Events: 3, Gaps: 1, Told: 1, Lost: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tally Tally
			tally.Expect(tt.first)
			for _, g := range tt.give {
				switch g := g.(type) {
				case int:
					tally.Event(uint64(g))
				case *uint64:
					tally.Gap(g)
				}
			}
			if got := tally.Counts(tt.last); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
