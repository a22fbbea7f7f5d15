package config

import (
	"chatbox/providers/voice"
)

// Voice says who transcribes recordings and who speaks answers.
type Voice struct {
	Transcribe  voice.Config // no endpoint: recordings are not transcribed
	Speech      voice.Config // no endpoint: answers are not spoken
	SpeechVoice string
}

// Names of the variables that say that a voice is on.
const (
	transcribeVariable = "TRANSCRIBE_ENDPOINT"
	speechVariable     = "SPEECH_ENDPOINT"
)

// voiceVariables is the table of settings of voice.
func voiceVariables(c *Config) []variable {
	v := &c.Voice
	return []variable{
		{
			name: transcribeVariable, set: calling(&v.Transcribe.Endpoint, voice.CheckTranscriptions),
			doc: "URL of a server with OpenAI's API for transcriptions. It transcribes recordings. The URL is the base of the API, with or without a version, such as https://api.openai.com/v1, or that of the call itself (…/audio/transcriptions). " +
				"Without FILES_URL it is a fault. Default: recordings are not transcribed.",
		},
		{name: "TRANSCRIBE_API_KEY", doc: "API key of that server. " + ofVoiceKey, secret: true, set: secret(&v.Transcribe.APIKey)},
		{name: "TRANSCRIBE_MODEL", def: "whisper-1", doc: "Model that transcribes. Without the endpoint it has no effect.", set: text(&v.Transcribe.Model)},
		{
			name: speechVariable, set: calling(&v.Speech.Endpoint, voice.CheckSpeech),
			doc: "URL of a server with OpenAI's API for speech. It speaks answers. The URL is the base of the API, with or without a version, such as https://api.openai.com/v1, or that of the call itself (…/audio/speech). " +
				"Without FILES_URL it is a fault. Default: answers are not spoken.",
		},
		{name: "SPEECH_API_KEY", doc: "API key of that server. " + ofVoiceKey, secret: true, set: secret(&v.Speech.APIKey)},
		{name: "SPEECH_MODEL", def: "tts-1", doc: "Model that speaks. Without the endpoint it has no effect.", set: text(&v.Speech.Model)},
		{name: "SPEECH_VOICE", def: "alloy", doc: "Voice of that model. Without the endpoint it has no effect.", set: text(&v.SpeechVoice)},
	}
}

// ofVoiceKey documents checkVoice.
const ofVoiceKey = "Without the endpoint it is a fault. In production it is also a fault if the endpoint is plain http at a public host. No setting allows that."

// calling reads the URL of a call that the function accepts.
func calling(into *string, check func(string) error) func(string) error {
	return func(s string) error {
		*into = s
		return check(s)
	}
}

// checkVoice returns the faults of voice that involve several variables.
func (c *Config) checkVoice(g *values) []error {
	var faults []error
	for _, v := range []struct {
		endpoint, key string
		cfg           voice.Config
	}{
		{transcribeVariable, "TRANSCRIBE_API_KEY", c.Voice.Transcribe},
		{speechVariable, "SPEECH_API_KEY", c.Voice.Speech},
	} {
		if err := voice.CheckKey(v.cfg.APIKey.Reveal()); err != nil {
			faults = append(faults, fault(v.key, err.Error()))
		}
		switch keyed := v.cfg.APIKey.Reveal() != ""; {
		case !g.has(v.endpoint) && keyed:
			faults = append(faults, fault(v.key, "needs "+v.endpoint))
		case !g.has(v.endpoint):
		case !g.has("FILES_URL"):
			faults = append(faults, fault(v.endpoint, "needs FILES_URL, because recordings and speech are files"))
		case keyed && c.Env != Development && v.cfg.PlainPublic():
			faults = append(faults, fault(v.endpoint, "would send the key by plain http to a public host, where others in the network can read it: use https"))
		}
	}
	return faults
}
