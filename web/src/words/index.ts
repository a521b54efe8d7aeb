import { en } from './en'
import { ko } from './ko'

export type Word = keyof typeof en
export type Words = Record<Word, string>
export type Language = 'en' | 'ko'
export type Values = Record<string, string | number>

const LANGUAGES: Record<Language, Words> = { en, ko }
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', ko: '한국어' }

/** A sentence of the page with its blanks filled in; numbers get separators of thousands. */
export function say(language: Language, word: Word, values: Values = {}): string {
  return LANGUAGES[language][word].replace(/\{(\w+)\}/g, (blank, name: string) => {
    const value = values[name]
    if (value === undefined) return blank
    return typeof value === 'number' ? value.toLocaleString(language) : value
  })
}

/** The language that a reader most likely wants: the first of theirs that is there. */
export function preferred(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split('-')[0]
    if (base === 'ko' || base === 'en') return base
  }
  return 'en'
}
