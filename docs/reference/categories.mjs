/**
 * A plugin of TypeDoc: puts each member of a class into the category that its name tells, and what only
 * sister packages use apart from the names that programs use. Documents get the name of their first
 * heading, and a group.
 */
import { Application, Comment, CommentTag, Converter, ReflectionKind } from 'typedoc';

const HANDLERS = 'Handlers, to be overridden';
const QUESTIONS = 'Questions that the loop asks';
const USE = 'Methods and attributes';
const PLUMBING = 'Plumbing';

const QUESTION = new Set(['readable', 'writable']);
const TO_OVERRIDE = new Set(['collect_incoming_data', 'found_terminator']);
/** Exported for packages that stand on this one. */
const SISTERS = new Set(
  `announce_changes bytes endpoint Endpoint erred handling keep_alive_while Output output_queue report
   run_as_handler settle Source Watcher wrong
   before_release BEFORE_WAITING is_socket LookAgain new_wakeup NEXT_TURN NOTHING NOTICE Pending roomForBatch
   state_of unread_of use_wakeup Wakeup WakeupFactory`.split(/\s+/),
);

function category({ name, parent, kind }) {
  if (parent?.kindOf(ReflectionKind.Module)) return SISTERS.has(name) ? PLUMBING : null;
  if (!parent?.kindOf(ReflectionKind.Class)) return null;
  if (kind === ReflectionKind.Constructor) return 'Constructor';
  if (QUESTION.has(name)) return QUESTIONS;
  if (/^handle_\w+_event$/.test(name) || /^(_|initiate_send$)/.test(name)) {
    return name.startsWith('_collect') || name === '_get_data' ? USE : PLUMBING;
  }
  return name.startsWith('handle_') || TO_OVERRIDE.has(name) ? HANDLERS : USE;
}

const PROJECT = new Set(['ARCHITECTURE', 'CONTRIBUTING', 'SECURITY']);
/** The order of the guides: those for newcomers first. */
const GUIDES = ['first-hour', 'from-node-net', 'porting-from-python', 'how-the-loop-works'];

/** Names and groups the documents, and sorts them. */
function arrange(project) {
  const place = ({ name }) => {
    const at = GUIDES.findIndex((guide) => name.endsWith(guide));
    return at < 0 ? GUIDES.length : at;
  };
  project.documents?.sort((a, b) => place(a) - place(b));
  for (const document of project.documents ?? []) {
    const { content, frontmatter } = document;
    frontmatter.group ??= PROJECT.has(document.name) ? 'The project' : 'Guides';
    const heading = /^# (.+)$/m.exec(content.map(({ text }) => text).join(''))?.[1];
    if (heading !== undefined) document.name = heading.replaceAll('`', '');
  }
}

export function load(app) {
  app.on(Application.EVENT_PROJECT_REVIVE, arrange, 1000); // when the packages and documents are one project
  app.converter.on(
    Converter.EVENT_RESOLVE_BEGIN,
    (context) => {
      for (const reflection of Object.values(context.project.reflections)) {
        const name = reflection.isDeclaration() ? category(reflection) : null;
        if (name === null) continue;
        for (const described of reflection.signatures ?? [reflection]) {
          described.comment ??= new Comment();
          described.comment.blockTags.push(
            new CommentTag('@category', [{ kind: 'text', text: name }]),
          );
        }
      }
    },
    1000,
  );
}
