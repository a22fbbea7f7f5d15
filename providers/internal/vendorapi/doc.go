// Package vendorapi calls the HTTP APIs of vendors, of models and of voice. It
// finds the address of a call, sends requests, retries them, and reports failures
// without text of the vendor and without keys.
package vendorapi
