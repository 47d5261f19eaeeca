/**
 * Where the line is drawn for names that are not of the allow-list (`names.ts`). Such a name is never called here; it may stand as a value
 * (a class, an activation function) and as the class of a record. What Python itself brings, what runs programs, opens files or loads
 * code, and what of PyTorch does so is refused as soon as it is mentioned, wherever it stands.
 */

/** Python's own modules (3.0 to 3.14, and those of 2 by their old names): none is needed to say what a network is. */
const python = new Set(
  (
    'abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii binhex bisect builtins ' +
    'bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys commands compileall compression concurrent ' +
    'configparser contextlib contextvars copy copyreg copy_reg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils ' +
    'doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc ' +
    'genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io ' +
    'ipaddress itertools json keyword lib2to3 linecache locale logging lzma macpath mailbox mailcap marshal math mimetypes mmap modulefinder ' +
    'msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev parser pathlib pdb ' +
    'pickle pickletools pipes pkgutil platform plistlib popen2 poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc ' +
    'pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil ' +
    'signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string ' +
    'stringprep struct subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test textwrap this ' +
    'thread threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata ' +
    'unittest urllib urllib2 urlparse uu uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile ' +
    'zipimport zlib zoneinfo cPickle cStringIO StringIO httplib Queue SocketServer'
  ).split(' '),
);

/** Packages whose work is to load, fetch or run things. */
const packages = new Set(
  (
    'IPython aiohttp boto3 botocore celery cffi cloudpickle dill django fabric flask fsspec gdown git httpx huggingface_hub ipykernel jedi ' +
    'jinja2 joblib mako numexpr numpy pandas paramiko pexpect pip pkg_resources plumbum psutil ptyprocess py pytest requests ruamel setuptools ' +
    'sh smart_open sympy torch urllib3 werkzeug wget wheel yaml jax keras tensorflow torch_xla nose'
  ).split(' '),
);

/** What of PyTorch is harmless to mention: classes of networks, optimisers and distributions, and functions on tensors. */
const harmless = [
  /^torch\.(nn|optim|ao|quantization|distributions|amp)\../,
  /^torch\.distributed\.(tensor|_tensor|_shard|fsdp|_composable|device_mesh|_mesh_layout|remote_device)\../,
  /^torch\.utils\.(hooks|data|checkpoint)\../,
  /^torch\.cuda\.amp\../,
  /^torch\._dynamo\.decorators\._DimRange$/,
  /^torch\.(_C\._nn|_VF|functional|special)\.[a-z]\w*$/,
  /^torch\.(ScriptObject|relu|relu_|tanh|sigmoid|gelu|selu|celu|prelu|erf|erfc|exp|log|sin|cos|abs|square|sqrt|rsqrt|softmax|log_softmax|identity|sum|mean|max|min|add|mul|matmul|bmm|cat|stack|tanh_|sigmoid_|sinc|sinh|cosh|atan|hardtanh|clamp|sign)$/,
  /^typing\.(Any|Union|Optional|List|Dict|Tuple|Set|Sequence|Mapping|Callable|Type)$/,
  /^numpy\.random\._(mt19937|pcg64|philox|sfc64)\.\w+$/,
  /^numpy\.(u?int(8|16|32|64)|float(16|32|64)|bool_?|complex(64|128))$/,
];

const word = /^[\p{ID_Start}_]\p{ID_Continue}*$/u;

/** Whether a name off the allow-list may be mentioned. */
export function mayBeMentioned(module: string, name: string): boolean {
  const path = module.split('.');
  const parts = name.split('.');
  if (![...path, ...parts].every((part) => word.test(part))) return false;
  // A dotted name is a class within a class; one through a module (`x.os.system`) would lead anywhere.
  if (!parts.slice(0, -1).every((part) => /^_*\p{Lu}/u.test(part))) return false;
  if (parts.some(isMagic) || path.slice(1).some(isMagic)) return false;
  const top = path[0] as string;
  if (isMagic(top) && !['__main__', '__mp_main__', '__torch__'].includes(top)) return false;
  const full = `${module}.${name}`;
  if (harmless.some((pattern) => pattern.test(full))) return true;
  // Of the implementation's own (_io, _posixsubprocess, _pickle) there are too many to list.
  return !python.has(top) && !packages.has(top) && !(top.startsWith('_') && !isMagic(top));
}

function isMagic(part: string): boolean {
  return part.startsWith('__') && part.endsWith('__');
}
