package llm

import (
	"hash/fnv"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// topic is an answer that a word of the message selects.
type topic string

const (
	topicHelp     topic = "help"
	topicHello    topic = "hello"
	topicMarkdown topic = "markdown"
	topicCode     topic = "code"
	topicLong     topic = "long"
	topicSlow     topic = "slow"
)

// topicOf returns the topic of the first word that selects one, or "".
func topicOf(message string) topic {
	letters := func(r rune) bool { return !unicode.IsLetter(r) }
	for word := range strings.FieldsFuncSeq(strings.ToLower(withoutBrackets(message)), letters) {
		switch word {
		case "help":
			return topicHelp
		case "hello", "hi", "hey":
			return topicHello
		case "markdown", "table", "list":
			return topicMarkdown
		case "code", "program", "function":
			return topicCode
		case "long":
			return topicLong
		case "slow", "slowly":
			return topicSlow
		}
	}
	return ""
}

// ScriptedText returns the scripted model's whole answer to a message. It depends
// only on the message, so every pod gives the same answer and tests can predict
// it. The first known word of the message selects the answer: help, hello,
// markdown, code, long or slow. Any other message is quoted. Directives in double
// brackets control the delivery. Only [[words=N]] changes the text; it sets the
// length to exactly N words.
func ScriptedText(message string) string {
	if d := parseScript(message, 0); d.words > 0 {
		return numberedWords(message, d.words)
	}
	switch topicOf(message) {
	case topicHelp:
		return helpText
	case topicHello:
		return helloText
	case topicMarkdown:
		return markdownText
	case topicCode:
		return codeText
	case topicLong:
		return longText()
	case topicSlow:
		return slowText
	default:
		return quoteText(message)
	}
}

func withoutBrackets(message string) string {
	for _, inside := range brackets(message) {
		message = strings.Replace(message, "[["+inside+"]]", " ", 1)
	}
	return message
}

const maxQuote = 400 // bytes

func quoteText(message string) string {
	said := strings.TrimSpace(withoutBrackets(message))
	if len(said) > maxQuote {
		end := maxQuote
		for !utf8.RuneStart(said[end]) {
			end--
		}
		said = said[:end] + "…"
	}
	if said == "" {
		return "I am a scripted model. Say **help** to see what I can do."
	}
	return "You wrote:\n\n> " + strings.ReplaceAll(said, "\n", "\n> ") +
		"\n\nI am a scripted model, so I can only quote it. Say **help** to see what I can do."
}

const helloText = "Hello! I am a *scripted* model: I give the same answer to the same message, on every pod. " +
	"Say **help** to see what I can do."

const helpText = `Here is what I can do. The first of these words in your message chooses the answer:

- **hello** – a greeting
- **markdown** – headings, lists, a table, a quotation
- **code** – a short program
- **long** – an answer of many paragraphs, to scroll and to interrupt
- **slow** – an answer with pauses, so that you can kill a pod meanwhile
- **help** – this text

Anything else is quoted back. Directives in double brackets shape the answer:

| directive | effect |
|---|---|
| ` + "`[[words=200]]`" + ` | exactly so many words |
| ` + "`[[delay=100ms]]`" + ` | the pause before each word |
| ` + "`[[fail]]`, `[[fail=503]]`" + ` | fail before the first word |
| ` + "`[[truncate=10]]`" + ` | break off after so many words |
| ` + "`[[stall=10]]`" + ` | fall silent after so many words |
| ` + "`[[finish=length]]`" + ` | end for another reason |

They can be combined: ` + "`[[words=500 delay=10ms truncate=300]]`" + `.`

const markdownText = `## What Markdown can do

A paragraph with **bold**, *italic*, ~~struck~~ and ` + "`inline code`" + `, and a [link](https://example.com/).

1. First, a numbered list
2. with a second entry
   - and a nested one

| city | country | inhabitants |
|:--|:--|--:|
| Porto | Portugal | 231,800 |
| Kyōto | 日本 | 1,464,000 |
| Reykjavík | Ísland | 139,900 |

> A quotation, which may run
> over two lines.

---

And some characters that are easily broken: ä ö ü ß € “quotes” 你好 🙂 👩‍🚀.`

const codeText = `Here is a program that counts the words of its input:

` + "```go" + `
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Split(bufio.ScanWords)
	n := 0
	for in.Scan() {
		n++
	}
	fmt.Println(n)
}
` + "```" + `

Save it as ` + "`main.go`" + ` and run ` + "`echo one two | go run main.go`" + `. It prints **2**.`

const slowText = "This answer is slow. Each word waits a moment before it is sent, so that you can watch " +
	"an answer grow, stop it halfway, reload the page, close the laptop and open it again, or kill the pod that " +
	"is answering. When you come back, the earlier words are there, and the next word follows. When the " +
	"answer is complete it is shown once, and only once."

// sentences returns the sentences of long answers, and an empty string after the
// last full stop.
func sentences() []string {
	return strings.Split("A session is a list of events, and each event has a number. "+
		"An acknowledged event is stored, and everybody sees the stored events in the same order. "+
		"Any pod can serve any client, because no pod keeps data that another pod would need. "+
		"When a pod stops, its clients connect to another pod and name the last event that they have. "+
		"They receive the missing events, and none of them twice. "+
		"Another pod continues an answer where it stopped. "+
		"A member of staff may take over at any moment, and from then on the model is silent. "+
		"A slow client receives the text in larger pieces, and other clients do not wait for it. "+
		"Text is encrypted before it is stored, and only the pods can read it. ", ". ")
}

const longParts = 8

func longText() string {
	var b strings.Builder
	b.WriteString("# A long answer\n\nIt has ")
	b.WriteString(strconv.Itoa(longParts))
	b.WriteString(" parts, so that there is something to scroll.")
	all := sentences()
	all = all[:len(all)-1] // the empty string after the last full stop
	for part := range longParts {
		b.WriteString("\n\n## Part " + strconv.Itoa(part+1) + "\n\n")
		for i := range all {
			b.WriteString(all[(i+part)%len(all)] + ". ")
		}
	}
	return strings.TrimRight(b.String(), " ") + "\n\nThat was all."
}

const (
	numberEvery    = 10 // words; a cut or repeated text is recognised by the numbers
	paragraphEvery = 60
)

// numberedWords returns exactly n words. The message selects the words, and every
// tenth word is its own number.
func numberedWords(message string, n int) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(message)) // a hash does not fail
	words := strings.Fields(strings.Join(sentences(), " "))
	start := int(h.Sum32() % 1024)
	var b strings.Builder
	for i := 1; i <= n; i++ {
		switch {
		case i == 1:
		case i%paragraphEvery == 1:
			b.WriteString(" \n\n")
		default:
			b.WriteByte(' ')
		}
		if i%numberEvery == 0 {
			b.WriteString(strconv.Itoa(i))
		} else {
			b.WriteString(words[(start+i)%len(words)])
		}
	}
	return b.String()
}
