package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/textproto"
	"strconv"
	"strings"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// difyFile refers to an uploaded file (docs.dify.ai/en/api-reference/chat, Send
// Chat Message: {"type":"image","transfer_method":"local_file","upload_file_id"}).
type difyFile struct {
	Type     string `json:"type"`
	Transfer string `json:"transfer_method"`
	ID       string `json:"upload_file_id"`
}

// maxDifyReply bounds the reply to an upload, in bytes.
const maxDifyReply = 64 << 10

// upload sends the pictures to Dify's files API, one request each, for the user
// that the question names (docs.dify.ai/en/api-reference/files/upload-file). A chat
// message has one list of files, so the pictures of the whole talk are in that list,
// in their order.
func (d *dify) upload(ctx context.Context, pictures []chatbox.PromptPicture) ([]difyFile, error) {
	files := make([]difyFile, 0, len(pictures))
	for i, p := range pictures {
		id, err := d.uploadOne(ctx, i, p)
		if err != nil {
			return nil, err
		}
		files = append(files, difyFile{Type: "image", Transfer: "local_file", ID: id})
	}
	return files, nil
}

func (d *dify) uploadOne(ctx context.Context, n int, p chatbox.PromptPicture) (id string, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_, ending, _ := strings.Cut(p.ContentType, "/")
	part, err := form.CreatePart(textproto.MIMEHeader{
		// Dify judges a file by the ending of its name. The user's own name for it is in
		// the question.
		"Content-Disposition": {`form-data; name="file"; filename="picture` + strconv.Itoa(n+1) + "." + ending + `"`},
		"Content-Type":        {p.ContentType},
	})
	if err == nil {
		_, err = part.Write(p.Data)
	}
	if err == nil {
		err = form.WriteField("user", d.user)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return "", err
	}
	reply, err := d.guard.sendAs(ctx, d.to.Beside("files", "upload"), d.header, form.FormDataContentType(), "application/json", body.Bytes(), nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = reply.Close() }() // it was read
	raw, err := io.ReadAll(io.LimitReader(reply, maxDifyReply))
	if err != nil {
		return "", err
	}
	var stored struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &stored) != nil || vendorapi.CleanCode(stored.ID, d.guard.key) == "" {
		return "", &vendorapi.Failure{Text: "the provider did not say how it stored a picture", Why: vendorapi.ReasonRequest}
	}
	return stored.ID, nil
}
