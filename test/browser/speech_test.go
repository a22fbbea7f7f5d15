package browser

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/providers/llm"
	"chatbox/test/stack"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// humming speaks every answer as three seconds of silence, which a browser plays
// as what it is. An answer with lists is refused.
type humming struct{}

func (humming) Speak(_ context.Context, text string) (io.ReadCloser, error) {
	if strings.Contains(text, "- ") {
		return nil, chatbox.NewError(chatbox.ModelRefused, "The answer could not be spoken. Please tell those who run this service.", nil)
	}
	const rate, seconds = 8000, 3
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, part := range []any{
		uint32(36 + rate*seconds), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(rate), uint16(1), uint16(8),
		[]byte("data"), uint32(rate * seconds), bytes.Repeat([]byte{0x80}, rate*seconds),
	} {
		_ = binary.Write(&b, binary.LittleEndian, part) // a buffer does not fail
	}
	return io.NopCloser(&b), nil
}

// An answer is listened to and stopped by the keyboard, on both pages, at the
// width of a small phone.
func TestListen(t *testing.T) {
	t.Parallel()
	cfg := stack.Config(t, llm.Provider{ID: "scripted", Name: "Scripted demo", Type: llm.TypeScripted, Endpoint: "scripted://?delay=1ms"})
	cfg.Drain = devstack.DefaultConfig().Drain
	cfg.Voice.Speaker = humming{}
	o := &office{t: t, stack: stack.Start(t.Context(), t, cfg)}
	o.ada, o.sam = o.user("ada"), o.staff("sam", "Sam")
	ada := o.ada
	ada.connected()
	ada.askForHelp("Short [[words=12]]")
	ada.width(360, 740)
	ada.wait(`document.querySelector(".listen")?.checkVisibility()`)
	state := `document.querySelector(".listen").dataset.state`
	if label := eval[string](ada, `document.querySelector(".listen").getAttribute("aria-label")`); label != "Listen to the answer" {
		t.Errorf("the button is called %q", label)
	}
	ada.accessibleIfItCan("an answer that can be listened to")
	eval[bool](ada, `document.querySelector(".listen").focus(), true`)
	ada.do(chromedp.KeyEvent(kb.Enter))
	ada.wait(state + ` === "playing"`)
	ada.do(chromedp.KeyEvent(kb.Enter))
	ada.wait(state + ` === "idle"`)
	ada.do(chromedp.KeyEvent(kb.Enter))
	ada.wait(state + ` === "playing"`)
	ada.wait(state + ` === "idle"`) // it ends

	ada.say("Show me Markdown")
	ada.answered(2)
	ada.wait(`document.querySelectorAll(".listen").length === 2 && document.querySelectorAll(".listen")[1].checkVisibility()`)
	eval[bool](ada, `document.querySelectorAll(".listen")[1].click(), true`)
	ada.wait(`document.querySelectorAll(".listen-trouble")[1].textContent.startsWith("The answer could not be spoken.")`)
	for _, direction := range []string{"ltr", "rtl"} {
		eval[bool](ada, `document.documentElement.dir = "`+direction+`", true`)
		ada.wait(`document.documentElement.scrollWidth <= 360 && document.getElementById("conversation").scrollWidth <= document.getElementById("conversation").clientWidth`)
		ada.shoot("listen-" + direction)
	}

	o.sam.openTalk("ada")
	o.sam.wait(`document.querySelector("#lines .listen")?.checkVisibility()`)
	o.sam.click("#lines .listen")
	o.sam.wait(`document.querySelector("#lines .listen").dataset.state === "playing"`)
	o.sam.shoot("listen-staff")
}
