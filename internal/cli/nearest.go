package cli

// nearest returns the candidate that takes the fewest edits to become word, the
// first of several, and the number of edits.
func nearest(word string, candidates []string) (best string, edits int) {
	for _, c := range candidates {
		if n := distance(word, c); best == "" || n < edits {
			best, edits = c, n
		}
	}
	return best, edits
}

// similar returns the candidate that word is most probably a misspelling of, or "".
func similar(word string, candidates []string) string {
	best, edits := nearest(word, candidates)
	if edits > 3 || edits > len(word)/3 {
		return ""
	}
	return best
}

// didYouMean suggests a candidate that looks like word, in brackets, or returns "".
func didYouMean(word string, candidates []string) string {
	best := similar(word, candidates)
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// distance returns how many bytes must be inserted, deleted or replaced to turn a
// into b (Levenshtein's distance).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
