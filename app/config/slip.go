package config

import "strings"

// slipOf reports whether a name is most likely a misspelling of another name. It
// compares word by word, and also without underscores. Short words must be almost
// equal, since POD_IP, SMTP_SSL and SERVER_HOST are not misspellings.
func slipOf(name, meant string) bool {
	if name == meant {
		return false
	}
	words, wanted := strings.Split(name, "_"), strings.Split(meant, "_")
	if len(words) == len(wanted) && nearWords(words, wanted) {
		return true
	}
	name, meant = strings.ReplaceAll(name, "_", ""), strings.ReplaceAll(meant, "_", "")
	return name == meant || len(meant) >= 8 && slip(name, meant, 2) == 1
}

// nearWords reports whether the words of two names are similar. Singular and
// plural are equal. Both names must have the same number of words.
func nearWords(words, wanted []string) bool {
	total := 0
	for i := range words {
		if singular(words[i]) == singular(wanted[i]) {
			continue
		}
		d := wordDistance(words[i], wanted[i])
		if d > min(len(words[i]), len(wanted[i]))/3 {
			return false
		}
		total += d
	}
	return total <= 2
}

func singular(word string) string {
	if stem, ok := strings.CutSuffix(word, "IES"); ok {
		return stem + "Y"
	}
	if len(word) < 3 {
		return word
	}
	return strings.TrimSuffix(word, "S")
}

// wordDistance is slip with a higher cost for a wrong letter in a short word,
// since one letter makes a different word (SMS and SNS, URL and URI).
func wordDistance(a, b string) int {
	if min(len(a), len(b)) <= 3 {
		return slip(a, b, 2)
	}
	return slip(a, b, 1)
}

// distance returns the number of letters that are missing, superfluous, wrong or
// swapped with their neighbour.
func distance(a, b string) int { return slip(a, b, 1) }

// slip is distance with a given cost for a wrong letter.
func slip(a, b string, wrong int) int {
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now := make([]int, len(b)+1)
		now[0] = i
		for j := 1; j <= len(b); j++ {
			price := wrong
			if a[i-1] == b[j-1] {
				price = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+price)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last = last, now
	}
	return last[len(b)]
}
