package words

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func texts(words []Word) []string {
	out := []string{}
	for _, w := range words {
		out = append(out, w.Text)
	}
	return out
}

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                {},
		" \t\r\n.,;—…!":                   {},
		"Hello, World":                    {"hello", "world"},
		"don't":                           {"don", "t"},
		"ERR_1234-b":                      {"err", "1234", "b"},
		"a@b.example":                     {"a", "b", "example"},
		"naïve":                           {"naïve"},
		"nai\u0308ve":                     {"naïve"},
		"cafe café":                       {"cafe", "café"},
		"STRASSE Straße":                  {"strasse", "strasse"},
		"ﬁt ＦＩＴ fit":                      {"fit", "fit", "fit"},
		"ΟΔΟΣ οδός ὁδὸς":                  {"οδοσ", "οδόσ", "ὁδὸσ"},
		"İstanbul":                        {"i̇stanbul"},
		"Ωμέγα Ωμέγα":                     {"ωμέγα", "ωμέγα"},
		"x² ½ Ⅷ":                          {"x2", "1", "2", "viii"},
		"٣٤ 34":                           {"٣٤", "34"},
		"\u0301 \u0301a":                  {"a"},
		"so\u00adft ze\u200cro \ufeffbom": {"soft", "zero", "bom"},
		"a\u200bb":                        {"a", "b"},
		"北京大学 in 2024":                    {"北", "京", "大", "学", "in", "2024"},
		"x北y":                             {"x", "北", "y"},
		"ﾗｰﾒﾝ":                            {"ラ", "ー", "メ", "ン"},
		"ガ ｶﾞ":                            {"ガ", "ガ"},
		"ที่นี่":                          {"ที่", "นี่"},
		"한국어 공부":                          {"한국어", "공부"},
		"नमस्ते दुनिया":                   {"नमस्ते", "दुनिया"},
		"ᏣᎳᎩ ꮳꮃꭹ":                         {"ᏣᎳᎩ", "ᏣᎳᎩ"},
		"مَرحبا":                          {"مَرحبا"},
		"👩‍👩‍👧 ok ❤️":                     {"ok"},
		"a\xffb":                          {"a", "b"},
		"\xff":                            {},
	} {
		assert.Equal(t, want, texts(Split(text)), "%q", text)
	}
}

func TestSplit_SaysWhereTheWordsAre(t *testing.T) {
	const text = "Ein Café,\nſtraße 北京; ｆｉｔ e\u0301t"
	var got []string
	for _, w := range Split(text) {
		got = append(got, text[w.From:w.To])
	}
	assert.Equal(t, []string{"Ein", "Café", "ſtraße", "北", "京", "ｆｉｔ", "e\u0301t"}, got)
}

func TestDistinct(t *testing.T) {
	assert.Equal(t, []string{"b", "a"}, Distinct("b a B A", 9))
	assert.Equal(t, []string{"b"}, Distinct("b a B A", 1))
	long := strings.Repeat("ä", Longest)
	assert.Equal(t, []string{long, "z"}, Distinct(long+" "+long+"ä z", 9), "what is longer is not found")
}

func parse(t *testing.T, q string) Query {
	t.Helper()
	out, err := Parse("q", q)
	require.NoError(t, err, q)
	return out
}

func TestParse(t *testing.T) {
	for q, want := range map[string][][]string{
		"Hello":               {{"hello"}},
		" a  b\u00a0c\u2003d": {{"a"}, {"b"}, {"c"}, {"d"}},
		`"to be" or`:          {{"to", "be"}, {"or"}},
		`x"to be"y`:           {{"x"}, {"to", "be"}, {"y"}},
		"„zu“ «être là» “ok”": {{"zu"}, {"être", "là"}, {"ok"}},
		"user@host.example":   {{"user", "host", "example"}},
		"don't - panic":       {{"don", "t"}, {"panic"}},
		"北京":                  {{"北", "京"}},
		"\"a\nb\" c":          {{"a", "b"}, {"c"}},
		`"" "," a`:            {{"a"}},
		`a "a b" A "A b"`:     {{"a"}, {"a", "b"}},
	} {
		assert.Equal(t, want, parse(t, q).terms, q)
	}
	assert.Equal(t, []string{"a", "b"}, parse(t, `a "b a"`).Words())
}

func TestParse_Refuses(t *testing.T) {
	twenty := strings.TrimSpace(strings.Repeat("x ", 5)) + " a b c d e f g h i j k l m n o p q r s"
	parse(t, twenty)
	for q, why := range map[string]string{
		"":                                "has no word",
		" ?! ":                            "has no word",
		`""`:                              "has no word",
		`a "b`:                            "not closed",
		"\xff":                            "UTF-8",
		strings.Repeat("ä ", 250) + "x":   "longer than 500",
		strings.Repeat("x", Longest+1):    "longer than 64",
		twenty + " t":                     "more than 20",
		strings.Repeat("ﬃ", 22) + " fits": "longer than 64",
	} {
		_, err := Parse("q", q)
		require.ErrorContains(t, err, "q: ", q)
		require.ErrorContains(t, err, why, q)
	}
}

func TestQuery_In(t *testing.T) {
	const text = "The quick brown fox. QUICK? “Brown” foxes, don’t! user@host.example 北京大学"
	for _, q := range []string{
		"quick", "fox the", `"quick brown"`, `"brown fox" foxes`, `"fox quick"`, "don't", "don’t", "DON T", "host.example",
		"user@host", "京大", "大学 北京", `"quick ' brown"`, "the the",
	} {
		assert.True(t, parse(t, q).In(text), q)
	}
	for _, q := range []string{
		"quic", "foxe", "quick slow", `"brown quick fox"`, `"fox the"`, "host@user", "学大", "qu", "京学", "examples", "donʼt2",
	} {
		assert.False(t, parse(t, q).In(text), q)
	}
	assert.False(t, Query{}.In(text), "nothing is nowhere")
}

func TestQuery_Excerpt(t *testing.T) {
	short := "  It is\n here,  say I. "
	got, ok := parse(t, "here").Excerpt(short)
	assert.True(t, ok)
	assert.Equal(t, "It is here, say I.", got)
	_, ok = parse(t, "there").Excerpt(short)
	assert.False(t, ok)

	filler := strings.Repeat("lorem ipsum ", 40)
	got, _ = parse(t, "here").Excerpt(filler + "here " + filler)
	assert.True(t, strings.HasPrefix(got, "…ipsum ") || strings.HasPrefix(got, "…lorem "), got)
	assert.True(t, strings.HasSuffix(got, " ipsum…") || strings.HasSuffix(got, " lorem…"), got)
	assert.Contains(t, got, " here ")
	assert.InDelta(t, excerptLength, utf8.RuneCountInString(got), 2*excerptSlack+2)

	got, _ = parse(t, "here").Excerpt("here " + filler)
	assert.True(t, strings.HasPrefix(got, "here lorem"), got)
	got, _ = parse(t, "here").Excerpt(filler + "here")
	assert.True(t, strings.HasSuffix(got, "ipsum here"), got)
	assert.Greater(t, utf8.RuneCountInString(got), excerptLength-2*excerptSlack, "all the room is used")

	got, _ = parse(t, "the parrot").Excerpt("the " + filler + " is the parrot dead? " + filler)
	assert.Contains(t, got, "the parrot", "where the terms are near each other")
}

// A letter's marks stay with it, and an excerpt does not begin inside an emoji of
// several characters.
func TestQuery_ExcerptCutsBetweenCharacters(t *testing.T) {
	run := strings.Repeat("नि", 300)
	for _, pad := range []string{"", "x", "xy"} {
		got, ok := parse(t, "here").Excerpt(pad + run + " here " + run)
		require.True(t, ok)
		inner := strings.Trim(got, ellipsis)
		r, _ := utf8.DecodeRuneInString(inner)
		assert.False(t, attached(r), got)
		last, _ := utf8.DecodeLastRuneInString(inner)
		assert.True(t, attached(last), got)
	}
	family := strings.Repeat("👩\u200d👧", 200)
	got, _ := parse(t, "here").Excerpt(family + "here" + family)
	assert.True(t, utf8.ValidString(got))
	assert.NotContains(t, got, ellipsis+"\u200d")
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"Hello, Wörld", "ﬁ½①ß İ", "北京 ที่นี่ ﾗｰﾒﾝ", "a\u0345\u0300\u00ad\u200d\xff", "ǅ ΐ ᾳͅ", strings.Repeat("e\u0301\u0316", 40)} {
		f.Add(s)
	}
	fuzz.Run(f, func(t fuzz.T, text string) {
		last := 0
		for _, w := range Split(text) {
			require.NotEmpty(t, w.Text)
			require.GreaterOrEqual(t, w.From, last, "in order")
			require.Less(t, w.From, w.To)
			require.LessOrEqual(t, w.To, len(text))
			last = w.From
			again := Split(w.Text)
			require.Len(t, again, 1, "%+q of %+q", w.Text, text)
			require.Equal(t, w.Text, again[0].Text, "a word's word is the word")
		}
	})
}

func FuzzExcerpt(f *testing.F) {
	f.Add("quick fox", "The quick brown fox")
	f.Add(`"brown fox"`, strings.Repeat("the quick brown fox, ", 30))
	f.Add("北京", strings.Repeat("ที่นี่ 北京", 50))
	f.Add("a", "\u0301a\u0301\xff")
	fuzz.Run(f, func(t fuzz.T, question, text string) {
		q, err := Parse("q", question)
		if err != nil {
			return
		}
		got, ok := q.Excerpt(text)
		require.Equal(t, q.In(text), ok)
		if !ok {
			return
		}
		require.Equal(t, utf8.ValidString(text), utf8.ValidString(got) && utf8.ValidString(text))
		require.LessOrEqual(t, utf8.RuneCountInString(got), excerptLength+excerptSlack+2)
		every := Distinct(text, len(text))
		for _, w := range q.Words() {
			require.Contains(t, every, w, "what is found is in the index")
		}
	})
}

// TestSplit_EveryCharacter splits each code point alone and between letters, and
// each mark behind a letter that is a word, and checks that splitting the
// resulting words again does not change them.
func TestSplit_EveryCharacter(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !unicode.IsGraphic(r) && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) {
			continue // no character
		}
		texts := []string{string(r), "a" + string(r) + "b"}
		if unicode.IsMark(r) {
			texts = append(texts, "า"+string(r))
		}
		for _, text := range texts {
			for _, w := range Split(text) {
				again := Split(w.Text)
				if len(again) != 1 || again[0].Text != w.Text || w.To > len(text) || w.From >= w.To {
					t.Errorf("%U: %+q gives %+v, and that %+v", r, text, w, again)
				}
			}
		}
	}
}
