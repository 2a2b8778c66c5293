"""Stems of a song through the C interface: separate_ctypes.py LIBSTEMSMITH MODEL SONG FOLDER."""
import ctypes
import sys

VERSION = 1_000  # 0.1.0, the version that this program was written for
Progress = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int)


def load(path):
    library = ctypes.CDLL(path)
    library.stemsmith_last_error.restype = ctypes.c_char_p
    library.stemsmith_model_stem.restype = ctypes.c_char_p
    library.stemsmith_options_create.restype = ctypes.c_void_p
    # Pointers are wider than the int that ctypes takes an argument for.
    text, pointer = ctypes.c_char_p, ctypes.c_void_p
    library.stemsmith_options_destroy.argtypes = [pointer]
    library.stemsmith_options_set_progress.argtypes = [pointer, Progress, pointer]
    library.stemsmith_model_open.argtypes = [ctypes.c_int, text, pointer, ctypes.POINTER(pointer)]
    library.stemsmith_model_close.argtypes = [pointer]
    library.stemsmith_model_stem_count.argtypes = [pointer]
    library.stemsmith_model_stem.argtypes = [pointer, ctypes.c_int]
    library.stemsmith_separate_file.argtypes = [pointer, text, text, pointer]
    return library


def main(path, model_path, song, folder):
    library = load(path)

    def check(code):
        if code != 0:
            sys.exit("error: " + library.stemsmith_last_error().decode())

    @Progress
    def show(user, done, total, rate):
        print(f"\r{done // rate} of {total // rate} s", end="", file=sys.stderr)
        return 0  # anything else would stop it

    model = ctypes.c_void_p()
    options = library.stemsmith_options_create()
    check(library.stemsmith_options_set_progress(options, show, None))
    check(library.stemsmith_model_open(VERSION, model_path.encode(), options, ctypes.byref(model)))
    check(library.stemsmith_separate_file(model, song.encode(), folder.encode(), options))
    for index in range(library.stemsmith_model_stem_count(model)):
        print(f"{folder}/{library.stemsmith_model_stem(model, index).decode()}.wav")
    library.stemsmith_model_close(model)
    library.stemsmith_options_destroy(options)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: " + __doc__.split(": ")[1])
    main(*sys.argv[1:])
