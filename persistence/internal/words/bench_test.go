package words

import (
	"strings"
	"testing"
)

func BenchmarkDistinct(b *testing.B) {
	for name, text := range map[string]string{
		"ascii 1 KiB":    strings.Repeat("The quick brown fox jumps over a lazy dog. ", 24),
		"cyrillic 1 KiB": strings.Repeat("Съешь ещё этих мягких французских булок. ", 14),
		"han 1 KiB":      strings.Repeat("北京大学在哪里", 49),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Distinct(text, 500)
			}
		})
	}
}
