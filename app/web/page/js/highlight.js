// Simple syntax highlighting: comments, strings, numbers, keywords. Unknown
// languages stay plain; no language is guessed.

const words = (text) => new Set(text.split(' '));

const C_LIKE = 'if else for while do switch case default break continue return new try catch finally throw class extends import export from const static void this null true false';
const LANGUAGES = {
  go: ['//', words('package import func return if else for range switch case default break continue go defer select chan map struct interface type var const nil true false string int int64 byte error any bool')],
  js: ['//', words(`${C_LIKE} let var function async await yield of in typeof instanceof undefined super interface type readonly number string boolean`)],
  java: ['//', words(`${C_LIKE} public private protected final int long double boolean String var record implements interface abstract`)],
  c: ['//', words(`${C_LIKE} int long double float char bool struct enum union typedef sizeof unsigned auto using namespace public private template`)],
  rust: ['//', words('fn let mut pub use mod struct enum impl trait for in if else match loop while return async await move ref self Self true false Some None Ok Err where dyn as crate const static')],
  python: ['#', words('def class return if elif else for while in not and or is import from as with try except finally raise lambda yield async await pass break continue None True False self')],
  sh: ['#', words('if then else elif fi for in do done while case esac function return exit export local set echo cd')],
  sql: ['--', words('select from where and or not insert into values update set delete create table index join left right inner on group by order limit as null primary key unique')],
  yaml: ['#', words('true false null')],
  json: ['', words('true false null')],
};
const ALIASES = { golang: 'go', javascript: 'js', typescript: 'js', ts: 'js', jsx: 'js', tsx: 'js', mjs: 'js', cpp: 'c', 'c++': 'c', h: 'c', csharp: 'java', kotlin: 'java', rs: 'rust', py: 'python', bash: 'sh', shell: 'sh', zsh: 'sh', yml: 'yaml', toml: 'yaml', jsonc: 'json' };

/** tokens cuts code into [{kind: '' | comment | string | number | keyword, text}]; joined, the texts are the code. */
export function tokens(lang, code) {
  const name = lang.toLowerCase();
  const language = LANGUAGES[ALIASES[name] ?? name];
  if (!language) return [{ kind: '', text: code }];
  const [comment, keywords] = language;
  const block = comment === '//';
  const folds = comment === '--';
  const out = [];
  const push = (kind, text) => {
    if (out.at(-1)?.kind === kind) out.at(-1).text += text;
    else out.push({ kind, text });
  };
  let i = 0;
  while (i < code.length) {
    const c = code[i];
    let end = i + 1;
    let kind = '';
    if (comment && code.startsWith(comment, i) && !(comment === '#' && /\S/.test(code[i - 1] ?? ' '))) {
      end = until(code, '\n', i);
      kind = 'comment';
    } else if (block && code.startsWith('/*', i)) {
      end = Math.min(code.length, until(code, '*/', i + 2) + 2);
      kind = 'comment';
    } else if (c === '"' || c === '`' || (c === "'" && !/\w/.test(code[i - 1] ?? ''))) {
      end = endOfString(code, i);
      kind = 'string';
    } else if (/\d/.test(c)) {
      while (end < code.length && /[\w.]/.test(code[end])) end += 1;
      kind = 'number';
    } else if (/[A-Za-z_]/.test(c)) {
      while (end < code.length && /\w/.test(code[end])) end += 1;
      const word = code.slice(i, end);
      if (keywords.has(folds ? word.toLowerCase() : word)) kind = 'keyword';
    }
    push(kind, code.slice(i, end));
    i = end;
  }
  return out;
}

function until(code, mark, from) {
  const at = code.indexOf(mark, from);
  return at < 0 ? code.length : at;
}

function endOfString(code, i) {
  const quote = code[i];
  for (let j = i + 1; j < code.length; j += 1) {
    if (code[j] === '\\') j += 1;
    else if (code[j] === quote) return j + 1;
    else if (code[j] === '\n' && quote !== '`') return j;
  }
  return code.length;
}
