{{- define "chatbox.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* By which Service, PodDisruptionBudget, policies and monitors find the pods: the full name, so that two releases of a namespace differ. */ -}}
{{- define "chatbox.selector" -}}
app.kubernetes.io/name: {{ include "chatbox.name" . }}
{{- end -}}

{{- define "chatbox.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "chatbox.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* CHATBOX_PATH_PREFIX as paths need it: nothing for /. */ -}}
{{- define "chatbox.prefix" -}}
{{- trimSuffix "/" .Values.config.CHATBOX_PATH_PREFIX -}}
{{- end -}}

{{- define "chatbox.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* The data of the ConfigMap. Numbers of values files are floating: 1000000 must not become 1e+06. */ -}}
{{- define "chatbox.config" -}}
{{- $config := dict "LISTEN_ADDR" (printf ":%v" (.Values.ports.http | int)) -}}
{{- if .Values.ports.metrics -}}
{{- $_ := set $config "METRICS_ADDR" (printf ":%v" (.Values.ports.metrics | int)) -}}
{{- end -}}
{{- if eq (int .Values.ports.http) (int .Values.ports.metrics) -}}
{{- fail "ports: http and metrics are the same" -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail "autoscaling: minReplicas exceeds maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- with .Values.drain -}}
{{- if gt (mul 5 (add (int .finish) (int .window))) (mul 4 (int .timeout)) -}}
{{- fail "drain: finish and window together exceed four fifths of timeout" -}}
{{- end -}}
{{- $_ := set $config "SHUTDOWN_TIMEOUT" (printf "%vs" (int .timeout)) -}}
{{- $_ := set $config "DRAIN_FINISH" (printf "%vs" (int .finish)) -}}
{{- $_ := set $config "DRAIN_WINDOW" (printf "%vs" (int .window)) -}}
{{- end -}}
{{- if .Values.deletionCost.enabled -}}
{{- $_ := set $config "POD_DELETION_COST" "on" -}}
{{- end -}}
{{- range $name, $value := .Values.config -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $config $name (kindIs "string" $value | ternary $value (toJson $value)) -}}
{{- end -}}
{{- end -}}
{{- range $name := keys $config | sortAlpha }}
{{- printf "%s: %s\n" $name (get $config $name | quote) -}}
{{- end -}}
{{- end -}}
