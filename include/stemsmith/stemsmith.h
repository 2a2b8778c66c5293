/* The C interface of libstemsmith: stems of songs and of sound that is being played.

   A whole program:

     #include <stdio.h>
     #include <stemsmith/stemsmith.h>

     static int Show(void* user, int64_t done, int64_t total, int rate) {
       printf("%d of %d s\n", (int)(done / rate), (int)(total / rate));
       return 0;
     }
     int main(int argc, char** argv) {
       stemsmith_model* model = NULL;
       stemsmith_options* options = stemsmith_options_create();
       if (argc != 4) return 2;
       stemsmith_options_set_progress(options, Show, NULL);
       if (stemsmith_model_open(STEMSMITH_VERSION_NUMBER, argv[1], options, &model) != 0 ||
           stemsmith_separate_file(model, argv[2], argv[3], options) != 0)
         fprintf(stderr, "error: %s\n", stemsmith_last_error());
       stemsmith_model_close(model);
       stemsmith_options_destroy(options);
       return 0;
     }

   Conventions:

   (1) Handles are pointers to structs that only the library knows. What opens, creates or starts
       one has its opposite; that one takes NULL, and nothing else but an open handle. In a build
       with assertions a handle that is closed twice ends the program, in others nothing happens.

   (2) Functions that can fail return a stemsmith_code: STEMSMITH_OK (0), or what went wrong. Then
       stemsmith_last_error() says it in words: what, where, what to do. Functions that return
       something else give 0, or NULL, where their argument is not what they take. Results are
       written only where STEMSMITH_OK is returned.

   (3) A NULL where none may be is STEMSMITH_WRONG_USE. Options may always be NULL: the defaults.

   (4) Texts are UTF-8 and end with a zero. Those returned belong to the library: names live as
       long as their model or song, the text of an error until the next failure on its thread.

   (5) Audio is 32-bit float, full scale -1 to 1, planar: one array per channel. Of stems, the
       arrays of the first stem's channels come first: array number stem * channels + channel.
       Lengths are in frames (a sample of each channel), rates in Hz.

   (6) Callbacks are called on the thread of the call that they were given to, with the pointer
       `user` as it was given. One that returns other than 0 stops the work: the call returns
       STEMSMITH_STOPPED and leaves nothing behind. They must not throw.

   (7) Threads: a model may be used by many threads and streams at once; their computations take
       turns. It may be closed before its songs and streams. Options are read by the call that they
       are given to, and must not change meanwhile. A stream is pushed to by one thread and pulled
       from by one thread, which may be another. Everything else of one handle: one thread at a
       time.

   (8) Versions: a program asks for the version of the header that it was compiled with; the library
       refuses what it does not fit (STEMSMITH_WRONG_VERSION). While the first number is 0, the
       second one must be the same; from 1.0 on the first one, and the second not higher than the
       library's. */
#ifndef STEMSMITH_STEMSMITH_H_
#define STEMSMITH_STEMSMITH_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* Of this header. */
#define STEMSMITH_VERSION_MAJOR 0
#define STEMSMITH_VERSION_MINOR 1
#define STEMSMITH_VERSION_PATCH 0
#define STEMSMITH_VERSION_NUMBER \
  (STEMSMITH_VERSION_MAJOR * 1000000 + STEMSMITH_VERSION_MINOR * 1000 + STEMSMITH_VERSION_PATCH)
/* Of the library: the same number, and "0.1.0". */
int stemsmith_version_number(void);
const char* stemsmith_version(void);

/* ---- Errors ---- */

typedef int stemsmith_code;
enum {
  STEMSMITH_OK = 0,
  STEMSMITH_BAD_INPUT = 1,    /* a file, a model or the machine is not what it must be */
  STEMSMITH_WRONG_USE = 2,    /* an argument makes no sense */
  STEMSMITH_STOPPED = 3,      /* by a callback */
  STEMSMITH_WRONG_VERSION = 4 /* the program was compiled for another version of the library */
};
/* In words, the last failure on this thread; "" before the first one. */
const char* stemsmith_last_error(void);

/* ---- Options ---- */

typedef struct stemsmith_options stemsmith_options;

/* All at their defaults. NULL where there is no memory. */
stemsmith_options* stemsmith_options_create(void);
void stemsmith_options_destroy(stemsmith_options* options);

/* For opening a model. "auto" (default), "cpu" or "cuda". */
stemsmith_code stemsmith_options_set_device(stemsmith_options* options, const char* device);
/* For opening a model. Compute threads; 0 (default): one per core. */
stemsmith_code stemsmith_options_set_threads(stemsmith_options* options, int threads);
/* For opening a model. "auto" (default: a rule that a release fixes), "onnxruntime", "openvino" (the
   library must be there: docs/install.md) or "torchscript". */
stemsmith_code stemsmith_options_set_engine(stemsmith_options* options, const char* engine);
/* For opening a model. "float32" (default); "bfloat16" (OpenVINO, on CPUs that have it); "int8" (a
   model file of such weights). */
stemsmith_code stemsmith_options_set_precision(stemsmith_options* options, const char* precision);
/* For opening a model. A JSON file that describes an .onnx file of another program
   (docs/model_format.md, "Models of other programs"); "" (default): NAME.json beside NAME.onnx. */
stemsmith_code stemsmith_options_set_manifest(stemsmith_options* options, const char* file);
/* For opening a model. A folder where compiled models are kept (at most 2 GiB), so that they start
   faster the next time; "" (default): none. */
stemsmith_code stemsmith_options_set_cache_folder(stemsmith_options* options, const char* folder);
/* For songs and for streams: only these stems, each once, in this order; 0 of them (default): all,
   or what the next two choose. */
stemsmith_code stemsmith_options_set_stems(stemsmith_options* options, const char* const* stems,
                                           int count);
/* For songs: a preset of `separate --help`, "2stem" (vocals and no_vocals) or "4stem"; NULL
   (default): none. And a mix, "karaoke=drums+bass+other" or "instrumental=mixture-vocals", which
   becomes a stem of its own; may be called several times. The stems of a song are those of the
   preset, the chosen ones, and the mixes, in this order, each once. */
stemsmith_code stemsmith_options_set_preset(stemsmith_options* options, const char* preset);
stemsmith_code stemsmith_options_add_mix(stemsmith_options* options, const char* mix);
/* For songs and for streams: the share of a segment that neighbours have in common, in [0, 1);
   more is smoother and slower. Negative (default): what the model advises. */
stemsmith_code stemsmith_options_set_overlap(stemsmith_options* options, double overlap);
/* For stemsmith_separate_file: a format of `separate --help`, "wav" (default), "flac", "opus", …;
   bits per sample: 16, 24, or 32 for float; 0 (default): what the format has. */
stemsmith_code stemsmith_options_set_format(stemsmith_options* options, const char* format,
                                            int bits);
/* For stemsmith_separate_file, _blocks and _buffers: called now and then. `total` is -1 where the
   length is not known. NULL: none. */
typedef int (*stemsmith_progress_fn)(void* user, int64_t done, int64_t total, int sample_rate_hz);
stemsmith_code stemsmith_options_set_progress(stemsmith_options* options,
                                              stemsmith_progress_fn progress, void* user);

/* ---- Models ---- */

typedef struct stemsmith_model stemsmith_model;

/* Opens a model.onnx or model.ts that `stemsmith export` wrote, or the folder of both. `version` is
   STEMSMITH_VERSION_NUMBER. */
stemsmith_code stemsmith_model_open(int version, const char* path, const stemsmith_options* options,
                                    stemsmith_model** model);
void stemsmith_model_close(stemsmith_model* model);

const char* stemsmith_model_name(const stemsmith_model* model);
int stemsmith_model_stem_count(const stemsmith_model* model);
const char* stemsmith_model_stem(const stemsmith_model* model, int index);
/* What the model computes with. Other rates and channels are converted there and back. */
int stemsmith_model_sample_rate(const stemsmith_model* model);
int stemsmith_model_channels(const stemsmith_model* model);
int64_t stemsmith_model_segment_frames(const stemsmith_model* model);

/* ---- Songs ---- */

/* Writes FOLDER/STEM.wav (or another format's ending; FOLDER.stem.mp4 for that format) at the song's
   channels and length, and its rate where the format has it. The stems appear together when all
   are complete; older files of these names are replaced. */
stemsmith_code stemsmith_separate_file(stemsmith_model* model, const char* song, const char* folder,
                                       const stemsmith_options* options);

/* The next `frames` frames of all stems at the song's rate and channels; see (5). */
typedef int (*stemsmith_block_fn)(void* user, const float* const* stems, int stem_count,
                                  int channels, size_t frames, int sample_rate_hz);
/* The same, into a function, block by block and in constant memory. */
stemsmith_code stemsmith_separate_blocks(stemsmith_model* model, const char* song,
                                         const stemsmith_options* options, stemsmith_block_fn block,
                                         void* user);

/* The same from memory to memory: `song` has one array of `frames` per channel, `stems` one per
   stem and channel, each for `frames` too. */
stemsmith_code stemsmith_separate_buffers(stemsmith_model* model, const float* const* song,
                                          int channels, size_t frames, int sample_rate_hz,
                                          const stemsmith_options* options, float* const* stems);

/* ---- Songs that the caller reads ----

   The same, at the caller's pace: in constant memory, with as much work per call as its frames
   need. It also says beforehand which stems the options give. */

typedef struct stemsmith_song stemsmith_song;

stemsmith_code stemsmith_song_open(stemsmith_model* model, const char* path,
                                   const stemsmith_options* options, stemsmith_song** song);
/* From memory, which must stay until the song is closed: one array of `frames` per channel. */
stemsmith_code stemsmith_song_open_buffers(stemsmith_model* model, const float* const* buffers,
                                           int channels, size_t frames, int sample_rate_hz,
                                           const stemsmith_options* options, stemsmith_song** song);
void stemsmith_song_close(stemsmith_song* song);

int stemsmith_song_stem_count(const stemsmith_song* song);
const char* stemsmith_song_stem(const stemsmith_song* song, int index);
/* Of the song, and of every stem. */
int stemsmith_song_sample_rate(const stemsmith_song* song);
int stemsmith_song_channels(const stemsmith_song* song);
/* An estimate where the file does not say exactly, -1 where it does not say at all. */
int64_t stemsmith_song_frames(const stemsmith_song* song);

/* The next frames of all stems into arrays of `frames` each; see (5). `count` becomes how many, 0
   only at the end. */
stemsmith_code stemsmith_song_read(stemsmith_song* song, float* const* stems, size_t frames,
                                   size_t* count);

/* ---- Sound that is being played ----

   An audio thread pushes a block and pulls as many frames of all stems. Inference runs on a thread
   of the stream. What is pulled are the stems of what was pushed stemsmith_stream_latency() frames
   earlier, exactly and always; the first so many frames are silence. Stems that are not there in
   time are silence, are counted, and are left out when they come.

   Of a model that normalises by the whole song, each segment is normalised by itself. */

typedef struct stemsmith_stream stemsmith_stream;

/* `sample_rate_hz` and `channels` of what is pushed and pulled; 0: the model's. */
stemsmith_code stemsmith_stream_start(stemsmith_model* model, int sample_rate_hz, int channels,
                                      const stemsmith_options* options, stemsmith_stream** stream);
/* Waits for the segment in work: not for the audio thread. */
void stemsmith_stream_stop(stemsmith_stream* stream);
/* Constant from the start on. */
int64_t stemsmith_stream_latency(const stemsmith_stream* stream);

/* For the audio thread: they never wait, lock or allocate, and set no text. `in` has one array per
   channel, `stems` one per stem and channel; a NULL among the latter is one that is not wanted. */
stemsmith_code stemsmith_stream_push(stemsmith_stream* stream, const float* const* in,
                                     size_t frames);
stemsmith_code stemsmith_stream_pull(stemsmith_stream* stream, float* const* stems, size_t frames);
/* Frames so far that were pulled as silence because the stems were late, and frames that were
   pushed and lost because the model is too slow. Any thread. */
uint64_t stemsmith_stream_underruns(const stemsmith_stream* stream);
uint64_t stemsmith_stream_overruns(const stemsmith_stream* stream);

/* STEMSMITH_OK while the stream runs, else what ended its inference: all is silence since. Not for
   the audio thread. */
stemsmith_code stemsmith_stream_status(const stemsmith_stream* stream);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* STEMSMITH_STEMSMITH_H_ */
